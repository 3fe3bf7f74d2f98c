import { HealthConfig } from '../../proto/gen/index.js';

/** How it is asked of a container, while it runs, whether it works. */
export interface ContainerCheck {
  /** As its description and its image say: `test` begins with CMD or CMD-SHELL, zero means the default. */
  readonly config: HealthConfig;
  /** What a command line of CMD-SHELL is given to; empty: the usual shell. */
  readonly shell: readonly string[];
}

const SHELL: readonly string[] = ['/bin/sh', '-c'];

/**
 * The check of a container: of its description, and where that says nothing of its image, field by field.
 * @returns undefined when there is none, or it was switched off by NONE
 */
export function checkOf(
  described: HealthConfig | undefined,
  image: { readonly healthcheck: HealthConfig | undefined; readonly shell: readonly string[] },
): ContainerCheck | undefined {
  const own = described ?? HealthConfig.create();
  const base = image.healthcheck ?? HealthConfig.create();
  const config: HealthConfig = {
    test: own.test.length > 0 ? own.test : base.test,
    interval: own.interval || base.interval,
    timeout: own.timeout || base.timeout,
    startPeriod: own.startPeriod || base.startPeriod,
    startInterval: own.startInterval || base.startInterval,
    retries: own.retries || base.retries,
  };
  const [kind, command = ''] = config.test;
  // An image may say what nobody has checked: docker passes over it too.
  return (kind === 'CMD' || kind === 'CMD-SHELL') && command !== '' ? { config, shell: image.shell } : undefined;
}

/** The program that checks, with its arguments. */
export function checkCommand({ config, shell }: ContainerCheck): readonly string[] {
  const [kind, ...words] = config.test;
  return kind === 'CMD' ? words : [...(shell.length > 0 ? shell : SHELL), ...words];
}
