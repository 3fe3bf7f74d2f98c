import { invalidArgument } from '../../../lib/errors.js';
import {
  FailureAction,
  FailureActionName,
  RestartConditionName,
  type RestartPolicy,
  type UpdateConfig,
  UpdateOrderName,
} from '../../../proto/gen/index.js';

/** @throws INVALID_ARGUMENT */
export function checkUpdateConfig(what: 'update' | 'rollback', config: UpdateConfig): void {
  const { failureAction, maxFailureRatio, order } = config;
  if (!(maxFailureRatio >= 0 && maxFailureRatio <= 1)) {
    throw invalidArgument(`${what} failure ratio ${maxFailureRatio} is out of range`, {
      value: String(maxFailureRatio),
      hint: 'It is from 0 to 1.',
    });
  }
  if (!Object.hasOwn(FailureActionName, failureAction)) {
    throw invalidArgument(`${what} failure action ${failureAction} is not known`, { value: String(failureAction) });
  }
  if (what === 'rollback' && failureAction === FailureAction.ROLLBACK) {
    throw invalidArgument('a rollback that fails cannot be rolled back', {
      value: 'rollback',
      hint: 'The action of a rollback is pause or continue.',
    });
  }
  if (!Object.hasOwn(UpdateOrderName, order)) {
    throw invalidArgument(`${what} order ${order} is not known`, { value: String(order) });
  }
}

/** @throws INVALID_ARGUMENT */
export function checkRestartPolicy(restart: RestartPolicy): void {
  if (Object.hasOwn(RestartConditionName, restart.condition)) return;
  throw invalidArgument(`restart condition ${restart.condition} is not known`, {
    value: String(restart.condition),
    hint: 'One of none, on-failure, any.',
  });
}
