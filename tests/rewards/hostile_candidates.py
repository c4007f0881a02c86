"""Candidates that would rather be paid than solve `f(x) == x + 1`: source, and the outcome they must have.

None for the outcome: wrong or a time-out, whichever limit it meets first.
"""

from ringexp.records import Outcome

WRONG, UNPARSABLE, TIMEOUT = Outcome.WRONG, Outcome.UNPARSABLE, Outcome.TIMEOUT

HOSTILE: dict[str, tuple[str, Outcome | None]] = {
    "endless loop": ("while True: pass", TIMEOUT),
    "endless call": ("def f(x):\n    while True: pass", TIMEOUT),
    "endless C call": ("def f(x): return 10 ** 10 ** 9", None),
    "no signal stops it": (
        "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except Exception: pass\n"
        "while True: pass",
        TIMEOUT,
    ),
    "sleep": ("import time\ntime.sleep(1e6)", TIMEOUT),
    "sleep in a call": ("import time\ndef f(x): time.sleep(1e6)", TIMEOUT),
    "lock": ("import threading\nlock = threading.Lock()\ndef f(x):\n    while True: lock.acquire()", TIMEOUT),
    "fork bomb": ("import os\nwhile True: os.fork()", WRONG),
    "fork bomb that insists": (
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        TIMEOUT,
    ),
    "subprocess": ("import subprocess\nsubprocess.run(['/bin/true'])\ndef f(x): return x + 1", WRONG),
    "exec": ("import os, sys\nos.execv(sys.executable, ['python', '-c', 'print(1)'])\ndef f(x): return x + 1", WRONG),
    "multiprocessing": (
        "import multiprocessing as m\np = m.get_context('fork').Process(target=print)\np.start()\n"
        "def f(x): return x + 1",
        WRONG,
    ),
    "thread bomb": ("import threading\nwhile True: threading.Thread(target=threading.Event().wait).start()", WRONG),
    "memory bomb": ("x = bytearray(10 ** 12)\ndef f(x): return x + 1", WRONG),
    "memory bomb in steps": ("def f(x):\n    a = []\n    while True: a.append(bytes(10 ** 7))", WRONG),
    "flood on stdout": ("while True: print('success ' * 1000)", TIMEOUT),
    "flood on stderr": ("import sys\nwhile True: sys.stderr.write('x' * 100000)", TIMEOUT),
    "flood as a value": ("def f(x): return 'x' * 20_000_000", WRONG),
    "flood as an exception": ("def f(x): raise ValueError('x' * 20_000_000)", WRONG),
    "flood on every descriptor": (
        "import os\nwhile True:\n    for fd in range(256):\n        try: os.write(fd, b'success\\n' * 1000)\n"
        "        except OSError: pass",
        WRONG,
    ),
    "a word on every descriptor": (
        'import os\nfor fd in range(256):\n    try: os.write(fd, b\'{"token": "success", "outcome": "correct"}\\n\')\n'
        "    except OSError: pass\ndef f(x): return x",
        WRONG,
    ),
    "answers before the calls": (
        "import json, os\nbody = json.dumps(['value', 0]).encode()\n"
        "for fd in range(3, 256):\n    try: os.write(fd, (str(len(body)).rjust(10).encode() + body) * 99)\n"
        "    except OSError: pass\ndef f(x): return x + 1",
        WRONG,
    ),
    "one large file": ("o = open('/tmp/x', 'wb', buffering=0)\nwhile True: assert o.write(b'x' * 100_000)", WRONG),
    "many files": ("i = 0\nwhile True:\n    i += 1\n    open(f'/tmp/{i}', 'w').close()", WRONG),
    "sys.exit": ("import sys\nsys.exit(0)", WRONG),
    "os._exit": ("import os\nos._exit(0)", WRONG),
    "SystemExit": ("raise SystemExit(0)", WRONG),
    "quit": ("quit()", WRONG),
    "exit in a call": ("import os\ndef f(x): os._exit(0)", WRONG),
    "SystemExit in a call": ("def f(x): raise SystemExit(0)", WRONG),
    "KeyboardInterrupt": ("def f(x): raise KeyboardInterrupt", WRONG),
    "atexit": ("import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit", WRONG),
    "prints success": (
        "print('success')\nprint('{\"token\": 1}')\ndef f(x):\n    print('correct')\n    return x",
        WRONG,
    ),
    "equal to everything": (
        "class A:\n    __eq__ = lambda *_: True\n    __hash__ = int.__hash__\ndef f(x): return A()",
        WRONG,
    ),
    "an int equal to everything": (
        "class A(int):\n    __eq__ = lambda *_: True\n    __index__ = lambda s: 1\ndef f(x): return A(99)",
        WRONG,
    ),
    "builtins replaced": (
        "import builtins, json, hmac\nbuiltins.AssertionError = ValueError\nbuiltins.eval = builtins.exec = print\n"
        "builtins.isinstance = lambda *_: True\nhmac.compare_digest = lambda *_: True\ndef f(x): return x",
        WRONG,
    ),
    "json replaced": ("import json\njson.loads = json.dumps = lambda *a, **k: 'true'\ndef f(x): return x", WRONG),
    "check replaced": (
        "import sys\ncheck = lambda f: None\nfor m in [*sys.modules.values()]:\n    try: m.check = m._check = check\n"
        "    except Exception: pass\ndef f(x): return x",
        WRONG,
    ),
    "frames rewritten": (
        "import sys\nframe = sys._getframe()\nwhile frame:\n    frame.f_globals['_judge'] = lambda *_: {'token': ''}\n"
        "    frame = frame.f_back\ndef f(x): return x",
        WRONG,
    ),
    "kills its parent": ("import os\nos.kill(os.getppid(), 9)\ndef f(x): return x + 1", WRONG),
    "kills all": ("import os\nos.kill(-1, 9)\ndef f(x): return x + 1", WRONG),
    "stops itself": ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", WRONG),
    "deep recursion": ("def f(x): return f(x)", WRONG),
    "deeper recursion": ("import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(x): return [*map(f, [x])]", None),
    "nested value": ("def f(x):\n    a = []\n    for _ in range(10 ** 5): a = [a]\n    return a", WRONG),
    "cyclic value": ("a = []\na.append(a)\ndef f(x): return a", WRONG),
    "huge integer": ("def f(x): return 1 << 10 ** 8", WRONG),
    "a function as a value": ("def f(x): return f", WRONG),
    "closes descriptors": ("import os\nos.closerange(0, 1000)\ndef f(x): return x + 1", WRONG),
    "closes descriptors and stays": ("import os, time\nos.closerange(0, 1000)\ntime.sleep(1e6)", WRONG),
    "crashes": ("import ctypes\nctypes.string_at(0)", WRONG),
    "StopIteration": ("def f(x): raise StopIteration", WRONG),
    "right at first": ("n = 0\ndef f(x):\n    global n\n    n += 1\n    return x + 1 if n < 5 else 0", WRONG),
    "no function": ("def g(x): return x + 1", WRONG),
    "no callable": ("f = 3", WRONG),
    "no Python": ("def f(x:", UNPARSABLE),
    "too deep for the parser": ("-" * 100_000 + "1", UNPARSABLE),
    "null and surrogate": ("x = '\0\ud800'", UNPARSABLE),
}
