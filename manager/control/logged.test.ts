import { expect, test } from 'vitest';
import { type Logger, silentLogger } from '../../lib/log.js';
import { GetRequest } from '../../proto/gen/index.js';
import { loggedControl } from './logged.js';
import { context, openControl } from './testing.js';

test('a call is logged when it is over, by its id: changes so that everybody sees them, reads for debugging', async () => {
  const { control, create } = await openControl();
  await create({ name: 'web' });
  const lines: [string, object][] = [];
  const noted = (level: string) => (fields: object) => lines.push([level, fields]);
  const log: Logger = { ...silentLogger, debug: noted('debug'), info: noted('info') };
  const logged = loggedControl(control, 'operator', log);
  await logged.getService(GetRequest.create({ ref: 'web' }), context);
  await logged.removeService(GetRequest.create({ ref: 'web' }), context);
  const again = logged.removeService(GetRequest.create({ ref: 'web' }), {
    ...context,
    requestId: 'request2',
  });
  await expect(again).rejects.toThrow('web');
  expect(lines).toMatchObject([
    ['debug', { change: 'request1', method: 'getService', via: 'operator', code: 'OK', ms: expect.any(Number) }],
    ['info', { change: 'request1', method: 'removeService', code: 'OK' }],
    ['info', { change: 'request2', method: 'removeService', code: 'NOT_FOUND' }],
  ]);
});
