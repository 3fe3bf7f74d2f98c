import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export const IMAGE = 'whoami:latest';
/** Where it listens. */
export const IMAGE_PORT = 80;

/** The server's command line, as `ps` shows it. It answers over both families. */
export const IMAGE_SERVER = `httpd -f -p [::]:${IMAGE_PORT} -h /www`;

/**
 * Dockerfile lines that make an image of the root filesystem. The first process of a container is
 * not ended by SIGTERM unless it asks for it, which httpd does not.
 */
export const IMAGE_CHANGES: readonly string[] = [
  `CMD ["sh", "-c", "trap 'exit 0' TERM; ${IMAGE_SERVER} & wait"]`,
  `EXPOSE ${IMAGE_PORT}`,
  'ENV PATH=/bin',
];

/** The answer to every request: who answers, and who asks. */
const ANSWER = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "Hostname: $(hostname)"
ip -4 -o address show scope global | while read -r _ _ _ address _; do echo "Address: \${address%/*}"; done
client=\${REMOTE_ADDR#[}
client=\${client%]}
echo "Client: \${client#::ffff:}"
`;

/** What a replica answered. */
export interface Answer {
  readonly hostname: string;
  readonly addresses: readonly string[];
  /** Address of the caller as the replica saw it. */
  readonly client: string;
}

/** @throws TypeError when the text is no replica's answer */
export function parseAnswer(text: string): Answer {
  const fields = [...text.matchAll(/^(Hostname|Address|Client): (\S+)$/gm)].map(
    ([, key, value]) => [key, value ?? ''] as const,
  );
  const values = (key: string) => fields.filter(([k]) => k === key).map(([, value]) => value);
  const [hostname] = values('Hostname');
  const [client] = values('Client');
  if (hostname === undefined || client === undefined)
    throw new TypeError(`not an answer of ${IMAGE}: ${JSON.stringify(text)}`);
  return { hostname, addresses: values('Address'), client: client };
}

/**
 * Makes the root filesystem of a tiny web server out of Debian's busybox-static, as a tar archive
 * for `image import`. Its libraries' folders point into /usr, so that a bind mount of the machine's
 * own /usr lets its programs run too.
 * @returns the archive's path; the caller removes its folder
 */
export async function makeRootfsArchive(): Promise<{ readonly archive: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tsswarm-image-'));
  const rootfs = path.join(folder, 'rootfs');
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'usr', 'www/cgi-bin']) {
      await mkdir(path.join(rootfs, name), { recursive: true });
    }
    await chmod(path.join(rootfs, 'tmp'), 0o1777);
    await copyFile('/bin/busybox', path.join(rootfs, 'bin/busybox'));
    const { stdout: applets } = await execute('/bin/busybox', ['--list']);
    for (const applet of applets.split('\n').filter((name) => name !== '' && name !== 'busybox')) {
      await symlink('busybox', path.join(rootfs, 'bin', applet));
    }
    for (const name of ['lib', 'lib32', 'lib64']) await symlink(`usr/${name}`, path.join(rootfs, name));
    await writeFile(
      path.join(rootfs, 'etc/passwd'),
      'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
    );
    await writeFile(path.join(rootfs, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
    await writeFile(path.join(rootfs, 'www/cgi-bin/index.cgi'), ANSWER, { mode: 0o755 });
    const archive = path.join(folder, 'rootfs.tar');
    await execute('tar', [
      '--create',
      '--file',
      archive,
      '--directory',
      rootfs,
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '.',
    ]);
    return { archive, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
