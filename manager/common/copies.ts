/** What is to be done about a node that runs twice. */
export const COPY_HINT =
  'Two machines must not run on copies of one data root. If this one is the copy: stop tsswarmd, delete node.json, manager/ and ' +
  'worker/ in its data root, start it and join anew. If it is to take the place of the other one: stop that, then start this one again.';
