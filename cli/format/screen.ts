const CLEAR_BELOW = '\x1b[J';
const TO_TOP = '\x1b[H';
const CLEAR_LINE_END = '\x1b[K';

/** Text that takes the place of what a terminal shows, from its top. */
export const inPlace = (text: string): string =>
  `${TO_TOP}${text.replaceAll('\n', `${CLEAR_LINE_END}\n`)}${CLEAR_BELOW}`;
