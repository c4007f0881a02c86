"""Attempts to get out, each a few lines that raise where they are refused. `paid` makes a candidate of one that solves
its task (x + 1) only if the attempt succeeds.
"""

import os
from pathlib import Path

_CALLS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
word = ctypes.create_string_buffer(64)
def done(result):
    if result == -1: raise OSError(ctypes.get_errno())
"""

REFUSED = {
    "fork": "os.fork()",
    "thread": "import threading; threading.Thread(target=print).start()",
    "subprocess": "import subprocess; subprocess.run(['/bin/true'], check=True)",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "session": "os.setsid()",
    "daemon": "libc.daemon(0, 0) == 0 or 1 / 0",
    "kill the parent": "os.kill(os.getppid(), 0)",
    "kill the group": "os.killpg(0, 0)",
    "kill itself": "import signal; os.kill(os.getpid(), signal.SIGCONT)",
    "handle of the parent": "os.pidfd_open(os.getppid())",
    "trace the parent": "done(libc.ptrace(16, os.getppid(), 0, 0))",
    "read the parent's memory": "done(libc.process_vm_readv(os.getppid(), word, 1, word, 1, 0))",
    "write the parent's memory": "done(libc.process_vm_writev(os.getppid(), word, 1, word, 1, 0))",
    "the parent's memory as a file": "open(f'/proc/{os.getppid()}/mem', 'rb')",
    "the parent's standard input": "open(f'/proc/{os.getppid()}/fd/0', 'rb')",
    "the parent's environment": "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
    "network": "import socket; socket.create_connection(('127.0.0.1', 80), 1)",
    "network of any kind": "import socket; socket.socket(socket.AF_UNIX)",
    "name resolution": "import socket; socket.getaddrinfo('example.org', 80)",
    "higher limits": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (99, 99))",
    "lower niceness": "os.nice(-1)",
    "name spaces": "done(libc.unshare(0x10000000))",
    "mount": "done(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))",
    "another root": "os.chroot('/')",
    "shared memory": "done(libc.shmget(0, 4096, 0o1600))",
    "files in memory": "os.memfd_create('x')",
    "no more filter": "done(libc.prctl(4, 1, 0, 0, 0))",
    "io_uring": "done(libc.syscall(425, 1, word))",
    "a file in the root": "open('/hostile', 'w')",
    "a file in shared memory": "open('/dev/shm/hostile', 'w')",
    "a device": "os.mknod('/tmp/hostile', 0o600)",
    "a link": "os.symlink('/etc/passwd', '/tmp/hostile')",
    "a file of the machine written": "open(PLANTED, 'a').write('x')",
    "a file of the machine cut": "os.truncate(PLANTED, 0)",
    "a file of the machine removed": "os.unlink(PLANTED)",
    "a file of the machine renamed": "os.rename(PLANTED, PLANTED + '-')",
    "a file of the machine opened up": "os.chmod(PLANTED, 0o777)",
    "a file beside it": "open(PLANTED + '-', 'x')",
    "a folder beside it": "os.mkdir(PLANTED + '-')",
    "the host's environment": "os.environ['PATH']",
    "the host's environment in C": "libc.getenv(b'PATH') or 1 / 0",
}
"""By name, what neither level of isolation allows. PLANTED is a file of the machine that the user may write."""

READING = {
    "a planted secret": "open(PLANTED).read()",
    "the accounts": "open('/etc/passwd').read()",
    "the repository": f"open({str(Path(__file__))!r}).read()",
    "the processes": "os.listdir('/proc')",
    "the host's command line": f"open('/proc/{os.getpid()}/cmdline').read() or 1 / 0",
}
"""What only bubblewrap keeps out: files of the machine that the user may read."""


def paid(attempt: str, planted: Path) -> str:
    """A candidate for x + 1, as the function `f` and as a program, that is right if the attempt succeeds."""
    return (
        f"{_CALLS}\nPLANTED = {str(planted)!r}\ngain = 0\ntry:\n    {attempt}\n    gain = 1\n"
        "except BaseException: pass\ndef f(x): return x + gain\n"
        "if __name__ == '__main__': print(f(int(input())))\n"
    )
