import { have } from './run.js';

/** Bytes of what /large answers, for throughput. */
const LARGE = 1 << 20;

const CONFIGURATION = `
worker_processes 1;
daemon off;
error_log stderr crit;
pid /nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  keepalive_requests 100000000;
  client_body_temp_path /t1; proxy_temp_path /t2; fastcgi_temp_path /t3; uwsgi_temp_path /t4; scgi_temp_path /t5;
  server {
    listen 80 backlog=4096;
    default_type text/plain;
    root /srv;
    location = / { return 200 "ok\\n"; }
  }
}
`;

/** A server that answers / with "ok" and /large with a megabyte, made of this machine's own nginx. */
export const NGINX = {
  image: 'bench-nginx:1',
  command: ['/usr/sbin/nginx', '-c', '/nginx.conf'],
  programs: ['/usr/sbin/nginx'],
  files: {
    'etc/passwd': 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
    'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
    'nginx.conf': CONFIGURATION,
    'srv/large': 'x'.repeat(LARGE),
    'var/log/nginx/error.log': '',
    'var/lib/nginx/.keep': '',
  },
} as const;

/** @throws with the package to install when one of the comparison's programs is missing */
export function needPrograms(packages: Readonly<Record<string, string>>): void {
  for (const [program, name] of Object.entries(packages))
    if (!have(program)) throw new Error(`the comparison needs ${program}: apt-get install ${name}`);
}
