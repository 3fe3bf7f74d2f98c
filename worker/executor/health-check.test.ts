import { describe, expect, it } from 'vitest';
import { HealthConfig } from '../../proto/gen/index.js';
import { checkCommand, checkOf } from './health-check.js';

const health = (fields: Partial<HealthConfig>) => HealthConfig.create(fields);
const image = (fields: Partial<HealthConfig> | undefined, shell: readonly string[] = []) => ({
  healthcheck: fields && health(fields),
  shell,
});
const bare = image(undefined);

describe('checkOf', () => {
  it.each([
    ['neither has one', undefined, undefined],
    ['it was switched off', { test: ['NONE'] }, { test: ['CMD', 'a'] }],
    ['the image switches off what it was built from', undefined, { test: ['NONE'] }],
    ['only times are given', { interval: 5 }, undefined],
    ['the image says what nobody knows', undefined, { test: ['RUN', 'a'] }],
    ['the command is missing', undefined, { test: ['CMD'] }],
  ])('none when %s', (_name, own, ofImage) => {
    expect(checkOf(own && health(own), image(ofImage))).toBeUndefined();
  });

  it("takes the image's where the description says nothing, field by field", () => {
    const ofImage = { test: ['CMD', 'a'], interval: 1, timeout: 2, startPeriod: 3, startInterval: 4, retries: 5 };
    expect(checkOf(undefined, image(ofImage))?.config).toEqual(ofImage);
    expect(checkOf(health({ interval: 9, retries: 7 }), image(ofImage))?.config).toEqual({
      ...ofImage,
      interval: 9,
      retries: 7,
    });
    expect(checkOf(health({ test: ['CMD-SHELL', 'b'] }), image(ofImage))?.config).toEqual({
      ...ofImage,
      test: ['CMD-SHELL', 'b'],
    });
  });
});

describe('checkCommand', () => {
  const commandOf = (test: readonly string[], from = bare) => {
    const check = checkOf(health({ test }), from);
    return check && checkCommand(check);
  };

  it('is a program, or the command line of a shell', () => {
    expect(commandOf(['CMD', 'curl', '-f', 'localhost'])).toEqual(['curl', '-f', 'localhost']);
    expect(commandOf(['CMD-SHELL', 'a || exit 1'])).toEqual(['/bin/sh', '-c', 'a || exit 1']);
  });

  it("uses the image's shell", () => {
    const shell = ['/bin/bash', '-o', 'pipefail', '-c'];
    expect(commandOf(['CMD-SHELL', 'a | b'], image(undefined, shell))).toEqual([...shell, 'a | b']);
    expect(commandOf(['CMD', 'a'], image(undefined, shell))).toEqual(['a']);
  });
});
