module registry.bench/generator

go 1.24.3
