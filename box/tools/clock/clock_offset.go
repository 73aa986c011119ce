// SPDX-License-Identifier: Apache-2.0

package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// clockFile says by how many seconds this machine's clock is wrong: "+10800", "-86400". libfaketime reads it too.
var clockFile = [...]byte{'/', 'e', 't', 'c', '/', 'f', 'a', 'k', 'e', 't', 'i', 'm', 'e', 'r', 'c', 0}

// clockPeriod is how long, in nanoseconds, what was read is good for.
const clockPeriod = 100_000_000

var clockNext, clockSeconds atomic.Int64

// clockOffset returns by how many seconds the clock is wrong; mono is the monotonic clock now.
func clockOffset(mono int64) int64 {
	next := clockNext.Load()
	if mono >= next && clockNext.CompareAndSwap(next, mono+clockPeriod) {
		clockSeconds.Store(readClockOffset())
	}
	return clockSeconds.Load()
}

// readClockOffset is 0 where there is no file, or one that it does not understand.
func readClockOffset() int64 {
	// Timers call Now on the scheduler's own stack, where the usual way into the kernel and allocations are forbidden.
	file, _, failed := syscall.RawSyscall6(
		syscall.SYS_OPENAT, 0, uintptr(unsafe.Pointer(&clockFile)), syscall.O_RDONLY|syscall.O_CLOEXEC, 0, 0, 0)
	if failed != 0 {
		return 0
	}
	var text [24]byte
	length, _, failed := syscall.RawSyscall(syscall.SYS_READ, file, uintptr(unsafe.Pointer(&text)), unsafe.Sizeof(text))
	syscall.RawSyscall(syscall.SYS_CLOSE, file, 0, 0)
	if failed != 0 || length < 2 || (text[0] != '+' && text[0] != '-') {
		return 0
	}
	var seconds int64
	for _, digit := range text[1:length] {
		if digit == '\n' {
			break
		}
		if digit < '0' || digit > '9' {
			return 0
		}
		seconds = 10*seconds + int64(digit-'0')
	}
	if text[0] == '-' {
		return -seconds
	}
	return seconds
}
