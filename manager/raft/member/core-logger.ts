import type { Logger } from '../../../lib/log.js';
import type { RaftLogger } from '../core/logger.js';

/** The core's lines in the daemon's log. Elections are news to an operator; the rest is for debugging. */
export function coreLogger(log: Logger): RaftLogger {
  const news = /became leader|became follower|became candidate|elected leader|lost leader|transfer/;
  return {
    debug: (line) => log.debug({}, line),
    info: (line) => (news.test(line) ? log.info({}, line) : log.debug({}, line)),
    warn: (line) => log.warn({}, line),
    error: (line) => log.error({}, line),
  };
}
