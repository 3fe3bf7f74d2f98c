import { Backoff } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { codeOf, messageOf, SwarmError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { InspectionBrokerService, NodeAnswer, type NodeQuestion } from '../../proto/gen/index.js';
import type { Channel, Stubs } from '../../proto/rpc/client.js';
export interface AnsweringOptions {
  /** @throws what the managers are told */
  readonly answer: (question: NodeQuestion) => Promise<Partial<NodeAnswer>>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Holds the stream of questions open with the leading manager, and answers them. */
export class Answering {
  readonly #options: AnsweringOptions;

  constructor(options: AnsweringOptions) {
    this.#options = options;
  }

  /** Serves one session until the signal aborts; opens the stream again when it fails. */
  async run(channel: Channel, sessionId: string, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const broker = channel.stubs(InspectionBrokerService);
    const backoff = new Backoff({ initial: 500, max: 30_000 });
    while (!signal.aborted) {
      try {
        for await (const question of broker.questions({ sessionId }, { signal })) {
          backoff.reset();
          void this.#answer(broker, question, signal);
        }
      } catch (error) {
        if (!signal.aborted) log.warn({ session: sessionId }, `questions of managers: ${messageOf(error)}`);
      }
      await clock.sleep(backoff.next(), signal).catch(() => undefined);
    }
  }

  async #answer(
    broker: Stubs<typeof InspectionBrokerService>,
    question: NodeQuestion,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await broker.answer(await this.#answerOf(question), { signal });
    } catch (error) {
      // NOT_FOUND: who asked has gone.
      if (!signal.aborted && codeOf(error) !== 'NOT_FOUND')
        this.#options.log.warn({ question: question.id }, `an answer was not taken: ${messageOf(error)}`);
    }
  }

  async #answerOf(question: NodeQuestion): Promise<NodeAnswer> {
    const questionId = question.id;
    try {
      return NodeAnswer.create({ questionId, ...(await this.#options.answer(question)) });
    } catch (error) {
      const hint = error instanceof SwarmError ? (error.hint ?? '') : '';
      return NodeAnswer.create({ questionId, errorCode: codeOf(error), error: messageOf(error), hint });
    }
  }
}
