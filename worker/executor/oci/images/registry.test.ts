import { describe, expect, it } from 'vitest';
import { ToolError } from '../tool.js';
import { parseImageName } from './name.js';
import { authFile, registryError } from './registry.js';

const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64');

describe('registry authentication', () => {
  it('becomes what skopeo reads', () => {
    expect(JSON.parse(authFile('r.example.com', base64({ username: 'u', password: 'p:w' })))).toEqual({
      auths: { 'r.example.com': { auth: Buffer.from('u:p:w').toString('base64') } },
    });
    const token = base64({ username: 'u', password: '', identitytoken: 't' });
    expect(authFile('docker.io', token)).toContain('"identitytoken":"t"');
    expect(authFile('docker.io', token)).toContain('https://index.docker.io/v1/');
  });

  it('is refused when it is something else', () => {
    expect(() => authFile('r', 'nonsense')).toThrow('the registry authentication is not JSON');
    expect(() => authFile('r', base64({}))).toThrow('has no user name and password');
  });
});

describe('what a registry says', () => {
  const name = parseImageName('r.example.com/app:1');
  const error = (message: string) =>
    registryError(name, new ToolError('skopeo', `time="2026-01-01T00:00:00Z" level=fatal msg="${message}"`));

  it.each([
    ['reading manifest 1: manifest unknown', 'NOT_FOUND', 'manifest for r.example.com/app:1 not found'],
    ['unauthorized: authentication required', 'NOT_FOUND', 'pull access denied'],
    ['choosing image: no image found in manifest list for architecture x', 'NOT_FOUND', 'has no image for linux/'],
    [
      'Error parsing image name \\"docker://r.example.com/app:1\\": pinging container registry r.example.com: ' +
        'Get \\"https://r.example.com/v2/\\": dial tcp: lookup r.example.com on 192.0.2.53:53: ' +
        'dial udp 192.0.2.53:53: connect: network is unreachable',
      'UNAVAILABLE',
      /^registry r.example.com cannot be reached: network is unreachable$/,
    ],
    [
      'pinging container registry r.example.com: Get \\"https://r.example.com:4041/v2/\\": dial tcp 192.0.2.1:4041: ' +
        'connect: connection refused',
      'UNAVAILABLE',
      /^registry r.example.com cannot be reached: connection refused$/,
    ],
    ['writing blob: no space left', 'UNAVAILABLE', /^cannot pull r.example.com\/app:1: no space left$/],
  ])('%s', (message, code, text) => {
    expect(error(message).code).toBe(code);
    expect(error(message).message).toMatch(text);
  });

  it('tells of --plain-http', () => {
    expect(error('http: server gave HTTP response to HTTPS client').hint).toContain('--plain-http');
  });
});
