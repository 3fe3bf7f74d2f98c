import { describe, expect, it } from 'vitest';
import { applyChanges, words } from './changes.js';

describe('changes of an image', () => {
  it('are Dockerfile lines', () => {
    const lines = [
      'ENTRYPOINT ["/bin/app", "-v"]',
      'cmd serve --port 80',
      'ENV A=1 B="two words" C=x\\ y',
      'ENV A 2 and more',
      'EXPOSE 80 53/udp 080/tcp',
      'WORKDIR /srv',
      'WORKDIR data',
      'USER 1000:1000',
      'LABEL a=b "c d"=e',
      'VOLUME /data "/two words"',
      'VOLUME ["/logs"]',
      'STOPSIGNAL SIGQUIT',
      'HEALTHCHECK NONE',
      'HEALTHCHECK --interval=5s --timeout=1m --start-period=2s --start-interval=100ms --retries=2 CMD curl -f "a b"',
    ];
    expect(applyChanges(lines)).toEqual({
      Entrypoint: ['/bin/app', '-v'],
      Cmd: ['/bin/sh', '-c', 'serve --port 80'],
      Env: ['B=two words', 'C=x y', 'A=2 and more'],
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      WorkingDir: '/srv/data',
      User: '1000:1000',
      Labels: { a: 'b', 'c d': 'e' },
      Volumes: { '/data': {}, '/two words': {}, '/logs': {} },
      StopSignal: 'SIGQUIT',
      Healthcheck: {
        Test: ['CMD-SHELL', 'curl -f "a b"'],
        Interval: 5e9,
        Timeout: 60e9,
        StartPeriod: 2e9,
        StartInterval: 1e8,
        Retries: 2,
      },
    });
    expect(applyChanges([])).toEqual({});
    expect(applyChanges(['healthcheck cmd ["a", "b c"]'])).toEqual({ Healthcheck: { Test: ['CMD', 'a', 'b c'] } });
    expect(applyChanges(['HEALTHCHECK none'])).toEqual({ Healthcheck: { Test: ['NONE'] } });
  });

  it.each([
    ['RUN make', '"RUN" cannot be changed at import'],
    ['CMD', '"CMD" is not a change'],
    ['CMD ["a"', 'is not a JSON list'],
    ['CMD ["a", 1]', 'is not a list of strings'],
    ['ENV A', 'has no value'],
    ['ENV A=1 B', '"B" is not NAME=value'],
    ['STOPSIGNAL SIGNONE', 'invalid signal: SIGNONE'],
    ['HEALTHCHECK curl', 'has no command'],
    ['HEALTHCHECK --interval=5 CMD x', '"5" is not a duration'],
    ['HEALTHCHECK --often CMD x', 'has a wrong option, "--often"'],
    ['HEALTHCHECK --retries=0 CMD x', 'has a wrong option, "--retries=0"'],
    ['EXPOSE 70000', '"70000" is not a port'],
  ])('refuse %s', (line, message) => {
    expect(() => applyChanges([line])).toThrow(message);
  });

  it('split words as a shell does', () => {
    expect(words(`a 'b c' "d \\"e" f\\ g h'i'"j"`)).toEqual(['a', 'b c', 'd "e', 'f g', 'hij']);
  });
});
