#!/usr/bin/env python3
"""A Slurm cluster on this machine: munge, slurmctld and a slurmd for each node, with or without accounting.

It needs Debian's packages, no daemon of theirs, no systemd and no cgroups, and works as root and as anyone else. All
it writes lies in one folder, it listens on free ports of the loopback, and it ends only processes that it started;
they also end with the thread that started them.

By hand: ``python tests/slurm/cluster.py /tmp/cluster [--accounting]`` runs until Ctrl-C and says how to use it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROGRAMS = {"munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client"}
ACCOUNTING_PROGRAMS = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server"}
os.environ["PATH"] += os.pathsep + "/usr/sbin"

_SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmUser={user}
SlurmdUser={user}
{auth}
CredType=cred/munge
MailProg=/bin/true
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
# No cgroups, so memory is watched by sampling.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
LaunchParameters=disable_send_gids
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SchedulerParameters=bf_interval=2,sched_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
MinJobAge=300
# Trouble is noticed sooner than in production.
SlurmdTimeout=20
KillWait=2
BatchStartTimeout=20
MessageTimeout=20
{accounting}
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=1-0 DefMemPerCPU=100 State=UP
"""

_SLURMDBD_CONF = """\
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={dbd_port}
SlurmUser={user}
{auth}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
PidFile={folder}/slurmdbd.pid
"""


def missing_packages(accounting: bool) -> list[str]:
    """The Debian packages that have to be installed first."""
    needed = PROGRAMS | (ACCOUNTING_PROGRAMS if accounting else {})
    return [package for program, package in needed.items() if shutil.which(program) is None]


class Cluster:
    """A running cluster; use as a context manager.

    Parameters
    ----------
    folder : Path
        For everything that the cluster writes; made by it.
    accounting : bool
        With MariaDB and slurmdbd, so that ``sacct`` answers; else ``squeue`` alone.
    nodes, cpus, memory : int
        Number of nodes, and cores and MB of each.
    """

    def __init__(self, folder: Path, *, accounting: bool = False, nodes: int = 2, cpus: int = 4, memory: int = 8000):
        self.folder = folder
        self.accounting = accounting
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self._size = f"CPUs={cpus} RealMemory={memory}"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._ports = _free_ports(nodes + 3)
        self.env = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        for name in [name for name in self.env if name.startswith(("SLURM_", "SBATCH_")) and name != "SLURM_CONF"]:
            del self.env[name]

    def __enter__(self) -> Cluster:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all daemons and wait until every node is idle."""
        for name in ("state", "spool", "log", "bin", "munge"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        self._start_munge()
        if self.accounting:
            self._start_accounting()
        self._write_conf()
        self.start_controller(forget=True)
        for node in self.nodes:
            (self.folder / "spool" / node).mkdir()
            self.start_node(node)
        self._wait("idle nodes", lambda: self.node_states().count("idle") == len(self.nodes))

    def stop(self) -> None:
        """Cancel what still runs and end all daemons, the youngest first."""
        if self._alive("slurmctld"):
            with contextlib.suppress(subprocess.SubprocessError):
                self.run("scancel", "--state=PENDING", "--user", getpass.getuser(), timeout=10)
                self.run("scancel", "--user", getpass.getuser(), timeout=10)
                self._wait("an empty queue", lambda: not self.run("squeue", "--noheader"), seconds=10, fatal=False)
        for name in reversed(list(self._daemons)):
            _end(self._daemons[name])
        for pid in self._strays():
            _kill(pid)

    def run(self, *command: str, timeout: float = 30) -> str:
        """Standard output of a Slurm command."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=timeout, check=True)
        return done.stdout.strip()

    def node_states(self) -> list[str]:
        """``idle``, ``mixed``, ``down*``, ...: one word a node; empty while the controller does not answer."""
        with contextlib.suppress(subprocess.SubprocessError):
            return self.run("sinfo", "--noheader", "--Node", "--format=%T").split()
        return []

    def jobs_on(self, node: str) -> list[str]:
        """Ids of the jobs that run on a node."""
        return self.run("squeue", "--noheader", "--states=RUNNING", f"--nodelist={node}", "--format=%A").split()

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node, also after its death."""
        self._start(f"slurmd.{node}", "slurmd", "-D", "-N", node, "-c")

    def restart_node(self, node: str) -> None:
        """Have a node again, however it died before."""
        if not self._alive(f"slurmd.{node}"):
            self.start_node(node)
        self._wait(f"node {node}", lambda: self.run("sinfo", "-hN", "-n", node, "-o%T") in ("idle", "mixed"))

    def kill_slurmd(self, node: str) -> None:
        """End a node's slurmd alone, by SIGKILL: its jobs go on."""
        _end(self._daemons[f"slurmd.{node}"], signal.SIGKILL)

    def kill_node(self, node: str) -> None:
        """What a power cut does: its slurmd, the steps of its jobs and all their processes are gone at once."""
        jobs = self.jobs_on(node)
        self.kill_slurmd(node)
        for pid in [pid for job in jobs for pid in self._strays(job)]:
            _kill(pid)

    def pids_of(self, program: str, folder: Path) -> list[int]:
        """Processes of jobs that have `program` in their command line and work in `folder`."""
        found = []
        for pid in self._strays():
            with contextlib.suppress(OSError):
                if program in Path(f"/proc/{pid}/cmdline").read_text() and os.path.samefile(f"/proc/{pid}/cwd", folder):
                    found.append(pid)
        return found

    def start_controller(self, *, forget: bool = False) -> None:
        """Start slurmctld, which knows its jobs from before unless it is to forget them."""
        self._start("slurmctld", "slurmctld", "-D", *(["-c"] if forget else []))
        self._wait("slurmctld", lambda: bool(self.node_states()))

    def kill_controller(self) -> None:
        """End slurmctld by SIGKILL; jobs go on."""
        _end(self._daemons["slurmctld"], signal.SIGKILL)

    # --- how it is done ---

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / "log" / f"{name}.log").open("ab") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self._daemons[name] = subprocess.Popen(
                command, env=self.env, start_new_session=True, preexec_fn=_end_with_parent, **streams
            )

    def _alive(self, name: str) -> bool:
        return name in self._daemons and self._daemons[name].poll() is None

    def _wait(self, what: str, ready: Callable[[], bool], seconds: float = 60, fatal: bool = True) -> None:
        end = time.monotonic() + seconds
        while not ready():
            dead = [name for name in self._daemons if not self._alive(name)]
            if time.monotonic() > end or dead:
                if not fatal:
                    return
                logs = "\n".join(f"== {p.name}\n{p.read_text()[-1500:]}" for p in (self.folder / "log").iterdir())
                raise RuntimeError(f"no {what} after {seconds} s; ended: {', '.join(dead) or 'none'}\n{logs}")
            time.sleep(0.1)

    def _start_munge(self) -> None:
        munge = self.folder / "munge"
        key = munge / "key"
        key.touch(0o600)
        key.write_bytes(os.urandom(128))
        files = {
            "key": key,
            "socket": self._munge_socket,
            "pid": munge / "pid",
            "log": munge / "log",
            "seed": munge / "s",
        }
        options = [f"--{name}{'' if name == 'socket' else '-file'}={path}" for name, path in files.items()]
        # --force: folders that others may enter, such as /tmp, are fine here.
        self._start("munged", "munged", "--foreground", "--force", *options)
        self._wait("munge socket", self._munge_socket.exists)

    @property
    def _munge_socket(self) -> Path:
        return self.folder / "munge" / "socket"

    @property
    def _auth(self) -> str:
        return f"AuthType=auth/munge\nAuthInfo=socket={self._munge_socket}{_loopback_only()}"

    def _start_accounting(self) -> None:
        data, sock = self.folder / "db", self.folder / "sql.socket"
        user = getpass.getuser()
        common = ["--no-defaults", f"--user={user}", f"--datadir={data}"]
        self.run(
            "mariadb-install-db", *common, "--auth-root-authentication-method=socket", "--skip-test-db", timeout=120
        )
        small = ["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=64M", "--innodb-lock-wait-timeout=900"]
        port = self._ports[1]
        self._start(
            "mariadbd", "mariadbd", *common, f"--socket={sock}", "--bind-address=127.0.0.1", f"--port={port}", *small
        )
        client = ["mariadb", "--no-defaults", f"--user={user}", f"--socket={sock}"]
        self._wait("MariaDB", lambda: subprocess.run([*client, "-e", ""], capture_output=True).returncode == 0)
        statements = ["create database slurm"]
        for origin in ("127.0.0.1", "localhost"):
            statements += [
                f"create user slurm@{origin} identified by 'slurm'",
                f"grant all on slurm.* to slurm@{origin}",
            ]
        self.run(*client, "-e", "; ".join(statements))
        conf = self.folder / "slurmdbd.conf"
        conf.touch(0o600)
        conf.write_text(
            _SLURMDBD_CONF.format(
                host=_host(), user=user, folder=self.folder, auth=self._auth, dbd_port=self._ports[2], sql_port=port
            )
        )
        self._start("slurmdbd", "slurmdbd", "-D")  # its configuration lies beside SLURM_CONF
        # slurmctld ends at once where slurmdbd does not listen yet.
        self._wait("slurmdbd", lambda: _listens(self._ports[2]))

    def _write_conf(self) -> None:
        accounting = "AccountingStorageType=accounting_storage/none"
        if self.accounting:
            accounting = (
                "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\n"
                f"AccountingStoragePort={self._ports[2]}\nAccountingStoragePass={self._munge_socket}"
            )
        nodes = [
            f"NodeName={node} NodeHostname={_host()} NodeAddr=127.0.0.1 Port={port} {self._size} State=UNKNOWN"
            for node, port in zip(self.nodes, self._ports[3:], strict=True)
        ]
        conf = _SLURM_CONF.format(
            host=_host(),
            ctld_port=self._ports[0],
            user=getpass.getuser(),
            folder=self.folder,
            auth=self._auth,
            accounting=accounting,
            nodes="\n".join(nodes),
        )
        (self.folder / "slurm.conf").write_text(conf)
        # The plugins take SLURM_CONF out of the environment of what they call in a job.
        for command in ("sacct", "sacctmgr", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun", "sshare"):
            shim = self.folder / "bin" / command
            real = shutil.which(command)
            shim.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {real} "$@"\n')
            shim.chmod(0o755)

    def _strays(self, job: str | None = None) -> Iterator[int]:
        """Processes of this cluster's jobs, or of one job: those that Slurm started with our environment."""
        ours = str(self.folder).encode()
        for process in Path("/proc").iterdir():
            if not process.name.isdigit() or int(process.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                environment = (process / "environ").read_bytes().split(b"\0")
                if not any(ours in entry for entry in environment):
                    continue
                ids = [entry[13:].decode() for entry in environment if entry.startswith(b"SLURM_JOB_ID=")]
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                if command.startswith("slurmstepd: ["):
                    ids = [command.removeprefix("slurmstepd: [").split(".")[0]]
                if ids and (job is None or job in ids):
                    yield int(process.name)


def _host() -> str:
    return socket.gethostname().split(".")[0]


def _loopback_only() -> str:
    """Slurm listens on the address of the host's name or on all of them; munge guards it in either case."""
    with contextlib.suppress(OSError):
        if socket.gethostbyname(_host()).startswith("127."):
            return "\nCommunicationParameters=NoCtldInAddrAny,NoInAddrAny"
    return ""


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def main() -> int:
    """Run a cluster until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--accounting", action="store_true")
    options = parser.parse_args()
    if missing := missing_packages(options.accounting):
        print(f"first: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Cluster(options.folder.absolute(), accounting=options.accounting) as cluster:
        print(f"export SLURM_CONF={cluster.env['SLURM_CONF']} PATH={cluster.folder}/bin:$PATH", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
