/**
 * What nodes and containers say, as it is shown: it must not steer the terminal. Control characters other than tabs
 * and the ends of lines become blanks.
 */
export const printable = (text: string): string => text.replace(/[^\P{Cc}\t\n]+/gu, ' ');

/** The same as one line. */
export const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
