# SPDX-License-Identifier: Apache-2.0
"""What an onlooker sees of a switch: the state's Secret, the nodes' witnesses, the time of each step."""
