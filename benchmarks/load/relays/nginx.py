"""nginx, one worker, unbuffered."""

from pathlib import Path

CONFIGURATION = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections 16384; multi_accept on; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream model {{ server 127.0.0.1:{upstream}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://model;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 300s;
        }}
    }}
}}
"""


def command(upstream: int, port: int, folder: Path) -> list[str]:
    """Return the command that runs it in the foreground, its files in `folder`."""
    path = folder / "nginx.conf"
    path.write_text(CONFIGURATION.format(folder=folder, upstream=upstream, port=port))
    return ["nginx", "-p", str(folder), "-c", str(path), "-e", "stderr"]
