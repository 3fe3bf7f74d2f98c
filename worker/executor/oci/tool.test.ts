import { expect, test } from 'vitest';
import { runTool } from './tool.js';

test('runTool - gives lines as they come, the last one without its end too', async () => {
  const lines: string[] = [];
  await runTool('printf', ['one\\ntwo\\nthree'], { onLine: (line) => lines.push(line) });
  expect(lines).toEqual(['one', 'two', 'three']);
});

test('runTool - a failure has the end of what was written to standard error', async () => {
  await expect(runTool('sh', ['-c', 'echo why >&2; exit 3'])).rejects.toThrow('sh: why');
  await expect(runTool('no-such-tool', [])).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
});

test('runTool - ends a tool that writes more than memory is for', async () => {
  const endless = ['/dev/zero'];
  const words = 'cat: it wrote more than 64 MiB';
  await expect(runTool('cat', endless)).rejects.toThrow(words);
  await expect(runTool('cat', endless, { onLine: () => expect.fail('there is no line') })).rejects.toThrow(words);
});
