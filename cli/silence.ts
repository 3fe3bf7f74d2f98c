import type { Io } from './io.js';

/** Milliseconds until it is looked at why there is no answer yet. */
const PATIENCE = 5_000;
/** Milliseconds that a daemon at work takes at most to show that it is there. */
const SIGN_OF_LIFE = 1_000;

/**
 * Says once, where a command waits, that the daemon takes its calls and shows no sign of life: the kernel takes them for
 * a process that is stopped, too.
 * @returns ends it
 */
export function watchSilence(socket: string, { clock, err }: Pick<Io, 'clock' | 'err'>): () => void {
  const ending = new AbortController();
  let cancel = clock.after(PATIENCE, async () => {
    cancel = clock.after(SIGN_OF_LIFE, () =>
      err(
        `The tsswarm daemon at unix://${socket} takes calls, but shows no sign of life: it was stopped (kill -STOP), or has ` +
          'no time. Waiting for it.\n',
      ),
    );
    const { knock } = await import('../proto/rpc/knock.js');
    // That nobody listens any more is what the call itself will say.
    await knock(`unix://${socket}`, ending.signal).catch(() => undefined);
    cancel();
  });
  return () => {
    cancel();
    ending.abort();
  };
}
