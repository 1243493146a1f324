"""nginx as a plain proxy: one worker, kept-alive upstream connections, no log, no buffering.

The best that a general proxy does with the same bytes, and so the yardstick.
"""

import shutil
import subprocess
from pathlib import Path

from benchmarks.contestants.contestant import Kind, Launch, Place
from benchmarks.failures import Unavailable
from benchmarks.load import Door

CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {scratch}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    client_max_body_size 64m;
    client_body_buffer_size 1m;
    keepalive_requests 1000000000;
    upstream model_server {{
        server 127.0.0.1:{upstream_port};
        keepalive 512;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://model_server;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


class Nginx:
    """Debian's package: the installed one, or else unpacked into the cache without installing it."""

    name = "nginx"
    kind: Kind = "proxy"

    def prepare(self, cache: Path) -> None:
        """Fetch the package when there is no nginx; nothing of the system is changed."""
        if _program(cache) is not None:
            return
        folder = cache / "nginx"
        folder.mkdir(parents=True, exist_ok=True)
        missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
        if missing:
            raise Unavailable("nginx is not installed, and there is no apt-get to fetch it; install nginx")
        fetched = subprocess.run(
            ["apt-get", "download", "nginx"], cwd=folder, capture_output=True, text=True, check=False
        )
        packages = sorted(folder.glob("nginx_*.deb"))
        if fetched.returncode != 0 or not packages:
            told = fetched.stderr.strip().splitlines()
            raise Unavailable(
                "nginx is not installed, and apt-get could not fetch it "
                f"({told[-1] if told else 'no package came'}); run apt-get update, or install nginx"
            )
        subprocess.run(["dpkg-deb", "--extract", str(packages[-1]), str(folder)], check=True)
        self._check(cache)

    def launch(self, place: Place) -> Launch:
        """In the foreground, with everything that it writes in the scratch directory."""
        configuration = place.scratch / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(scratch=place.scratch, port=place.port, upstream_port=place.upstream_port),
            encoding="utf-8",
        )
        program = _program(place.cache) or "nginx"
        return Launch(
            command=(program, "-p", str(place.scratch), "-e", "stderr", "-c", str(configuration)),
            door=Door(port=place.port),
        )

    def _check(self, cache: Path) -> None:
        program = _program(cache)
        if program is None:
            raise Unavailable("Debian's nginx package holds no nginx; install nginx")
        tried = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            raise Unavailable(f"the fetched nginx does not run ({tried.stderr.strip()}); install nginx")


def _program(cache: Path) -> str | None:
    unpacked = cache / "nginx" / "usr" / "sbin" / "nginx"
    return shutil.which("nginx") or (str(unpacked) if unpacked.is_file() else None)
