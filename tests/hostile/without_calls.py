"""Runs a program for which some system calls do not exist: a kernel that lacks them.

    without_calls.py 444,445 PROGRAM ARGUMENT...
"""

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD_NUMBER = (0x20, 0, 0, 0)
ALLOW = (0x06, 0, 0, 0x7FFF0000)
NO_SUCH_CALL = (0x06, 0, 0, 0x00050000 | 38)  # ENOSYS

LANDLOCK = "444"


def main():
    numbers = [int(number) for number in sys.argv[1].split(",")]
    steps = [LOAD_NUMBER]
    for number in numbers:
        steps += [(0x15, 0, 1, number), NO_SUCH_CALL]
    steps.append(ALLOW)
    program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
    header = struct.pack("<HxxxxxxQ", len(steps), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
                      (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0)):
        if libc.prctl(*arguments) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
