"""Runs a command on a terminal of its own and prints what the terminal got, byte for byte.

terminal.py COLUMNS[,COLUMNS...] command...: the terminal begins with the first width and has the next one after each 500 bytes.
"""

import fcntl
import os
import pty
import struct
import sys
import termios

widths = [int(width) for width in sys.argv[1].split(',')]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])


def resize(columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))


resize(widths.pop(0))
seen = 0
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:  # the command has ended
        break
    if not data:
        break
    os.write(1, data)
    seen += len(data)
    if widths and seen > 500:
        seen = 0
        resize(widths.pop(0))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
