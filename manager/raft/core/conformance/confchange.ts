import { parseChanges } from '../confchange/change.js';
import { type ChangeBase, enterJoint, leaveJointConfig, type Membership, simpleChange } from '../confchange/changer.js';
import { RaftError } from '../errors.js';
import { configString, emptyConfig, ProgressTracker, progressString } from '../tracker/tracker.js';
import { isTrue, type TestCase } from './datadriven.js';

/** Replays one transcript of configuration changes; each directive finds the log one entry longer. */
export function confChangeReplay(): (test: TestCase) => string {
  const tracker = new ProgressTracker(10, Number.POSITIVE_INFINITY);
  let membership: Membership = { config: emptyConfig, progress: new Map() };
  let lastIndex = 0;
  return (test) => {
    const base: ChangeBase = { ...membership, lastIndex: lastIndex++, newInflights: () => tracker.newInflights() };
    try {
      membership = change(base, test);
    } catch (error) {
      if (error instanceof RaftError) return error.message;
      throw error;
    }
    return `${configString(membership.config)}\n${progressString(membership.progress)}`;
  };
}

function change(base: ChangeBase, { directive: { command, args }, input }: TestCase): Membership {
  const changes = parseChanges(input);
  switch (command) {
    case 'simple':
      return simpleChange(base, changes);
    case 'enter-joint':
      return enterJoint(base, isTrue(args.find(({ key }) => key === 'autoleave')?.values[0]), changes);
    case 'leave-joint':
      if (changes.length > 0) throw new RaftError('conf-change-refused', 'this command takes no input');
      return leaveJointConfig(base);
    default:
      throw new Error(`unknown command ${command}`);
  }
}
