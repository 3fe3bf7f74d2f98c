import { Command, type Option, type ParseOptionsResult } from 'commander';
import { badFlag } from './flags/flags.js';

const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, t: true, 1: true, false: false, f: false, 0: false };

/** A commander command whose boolean flags also take a value, as Docker's do: `--detach=false`. */
export class SwarmCommand extends Command {
  #stopsAtOperand = false;

  /** Whether what follows the first operand is left as it is. */
  get stopsAtOperand(): boolean {
    return this.#stopsAtOperand;
  }

  override createCommand(name?: string): SwarmCommand {
    return new SwarmCommand(name).enablePositionalOptions();
  }

  override passThroughOptions(passThrough = true): this {
    this.#stopsAtOperand = passThrough;
    return super.passThroughOptions(passThrough);
  }

  override parseOptions(args: string[]): ParseOptionsResult {
    return super.parseOptions(this.#takeBooleanValues(args));
  }

  #optionOf(flag: string): Option | undefined {
    return this.options.find((option) => option.long === flag || option.short === flag);
  }

  #takeBooleanValues(args: readonly string[]): string[] {
    const rest: string[] = [];
    for (let i = 0; i < args.length; i++) {
      const arg = args[i] ?? '';
      const isOperand = !arg.startsWith('-') || arg === '-';
      // Behind the first operand are a container's own flags, or a subcommand's.
      if (arg === '--' || (isOperand && (this.#stopsAtOperand || this.commands.length > 0))) {
        rest.push(...args.slice(i));
        break;
      }
      const equals = arg.indexOf('=');
      const option = this.#optionOf(equals < 0 ? arg : arg.slice(0, equals));
      if (option?.isBoolean() && equals >= 0) this.#setBoolean(option, arg.slice(equals + 1));
      else if (equals < 0 && this.#takesNext(arg)) rest.push(arg, ...args.slice(++i, i + 1));
      else rest.push(arg);
    }
    return rest;
  }

  /** Whether the next argument is this flag's value: of `-itp` it is that of `-p`, of `-p80` it is not. */
  #takesNext(arg: string): boolean {
    const option = this.#optionOf(arg);
    if (option) return option.required;
    if (arg.startsWith('--')) return false;
    const letters = [...arg.slice(1)].map((letter) => this.#optionOf(`-${letter}`));
    const first = letters.findIndex((letter) => letter?.required);
    return first >= 0 && first === letters.length - 1;
  }

  #setBoolean(option: Option, text: string): void {
    const value = BOOLEANS[text.toLowerCase()];
    if (value === undefined) throw badFlag(option.name(), text, 'must be true or false');
    this.setOptionValueWithSource(option.attributeName(), option.negate ? !value : value, 'cli');
  }
}
