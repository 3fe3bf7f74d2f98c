import { randomInt } from 'node:crypto';

const ADJECTIVES =
  'able agile amber ample brave brisk calm candid civil clear clever crisp deft eager early fair fleet fond frank fresh gentle glad golden grand hardy honest humble jolly keen kind lively loyal lucid mellow merry mighty modest neat nimble noble patient placid plucky polite prompt proud quick quiet rapid ready robust serene sharp shy silent silver sleek smart snug solid spry stable steady stout sturdy subtle sunny sure swift tidy tranquil trusty upbeat vivid warm wise witty zesty'.split(
    ' ',
  );
const NOUNS =
  'acorn alder anchor ant apple aspen badger bay beacon beaver beetle birch bison bridge brook canoe cedar cliff clover comet coral crane creek cricket delta dune eagle elm ember falcon fern finch fjord fox garnet glacier grove gull harbor hawk hazel heron hill island ivy jay juniper kestrel lagoon lake lark lemur lily linden lotus lynx maple marten meadow moose moss newt oak orchid osprey otter owl pebble pine plover quartz raven reef river robin sparrow spruce stork swan thistle tide trout tulip valley walnut willow wren'.split(
    ' ',
  );
const TRIES = 10;

/** `brave_otter`. @param isTaken whether a name is another's @param pick a number below its argument */
export function makeUpName(isTaken: (name: string) => boolean, pick: (below: number) => number = randomInt): string {
  for (let tried = 0; ; tried++) {
    const base = `${ADJECTIVES[pick(ADJECTIVES.length)]}_${NOUNS[pick(NOUNS.length)]}`;
    const name = tried < TRIES ? base : `${base}_${tried}`;
    if (!isTaken(name)) return name;
  }
}
