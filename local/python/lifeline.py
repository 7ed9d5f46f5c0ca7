"""Runs a command that must not outlive whoever started this: ends it when standard input is closed.

    lifeline.py SECONDS COMMAND [ARGUMENT …]

Whoever starts it holds the other end of its standard input, which closes even when that process is killed. The command then gets
SIGTERM, and SIGKILL after SECONDS. Its process id is the first line of standard output, its exit code or signal this program's
own exit code (128 and more for a signal, as shells say it).
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    patience, command = float(sys.argv[1]), sys.argv[2:]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    print(process.pid, flush=True)

    def end() -> None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        end()

    # Whoever ends this program means the command.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end, daemon=True).start())
    threading.Thread(target=watch, daemon=True).start()
    code = process.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main())
