# SPDX-License-Identifier: Apache-2.0
"""How long each switch of the chain takes on a real cluster under load, judged throughout."""
