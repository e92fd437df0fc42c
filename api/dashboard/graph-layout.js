/**
 * Where the stages of a job stand: in layers, each behind all that it reads. Pure: sizes are pixels.
 */

/** @typedef {{ readonly name: string, readonly after: readonly string[] }} Node */
/** @typedef {{ readonly name: string, readonly x: number, readonly y: number }} Place */
/** `points`: from the border of one box to that of the other. @typedef {{ readonly from: string, readonly to: string, readonly path: string }} Edge */
/** @typedef {{ readonly width: number, readonly height: number, readonly boxWidth: number, readonly isUpright: boolean, readonly places: readonly Place[], readonly edges: readonly Edge[] }} Layout */

export const BOX_HEIGHT = 104;
const BOX_WIDTH = 188;
const LEAST_BOX_WIDTH = 132;
const GAP = 16;
/** Between layers: an arrow must fit. */
const LAYER_GAP = 44;

/**
 * From left to right where that fits into `width`, else from top to bottom.
 * @param {readonly Node[]} nodes
 * @param {number} width
 * @returns {Layout}
 */
export function layOut(nodes, width) {
  const layers = layersOf(nodes);
  const most = Math.max(1, ...layers.map((layer) => layer.length));
  const wide = layers.length * BOX_WIDTH + (layers.length - 1) * LAYER_GAP;
  const isUpright = wide > width;
  const fitting = Math.floor((width - (most - 1) * GAP) / most);
  const boxWidth = isUpright ? Math.max(LEAST_BOX_WIDTH, Math.min(BOX_WIDTH * 1.5, fitting)) : BOX_WIDTH;
  const along = isUpright ? BOX_HEIGHT : boxWidth;
  const across = isUpright ? boxWidth : BOX_HEIGHT;
  const breadth = most * across + (most - 1) * GAP;
  const length = layers.length * along + Math.max(0, layers.length - 1) * LAYER_GAP;

  /** @type {Place[]} */
  const places = layers.flatMap((layer, depth) => {
    const used = layer.length * across + (layer.length - 1) * GAP;
    return layer.map((name, index) => {
      const [far, side] = [depth * (along + LAYER_GAP), (breadth - used) / 2 + index * (across + GAP)];
      return isUpright ? { name, x: side, y: far } : { name, x: far, y: side };
    });
  });
  const placeOf = new Map(places.map((place) => [place.name, place]));
  const edges = nodes.flatMap(({ name, after }) =>
    after.flatMap((before) => {
      const [from, to] = [placeOf.get(before), placeOf.get(name)];
      return from === undefined || to === undefined
        ? []
        : [{ from: before, to: name, path: curve(from, to, boxWidth, isUpright) }];
    }),
  );
  const [fullWidth, height] = isUpright ? [breadth, length] : [length, breadth];
  return { width: fullWidth, height, boxWidth, isUpright, places, edges };
}

/**
 * By the longest way from a stage that reads none. Names that no stage bears, and circles, are left aside: what is shown is shown.
 * @param {readonly Node[]} nodes
 * @returns {string[][]}
 */
export function layersOf(nodes) {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  /** @type {Map<string, number>} */
  const depths = new Map();
  /** @param {Node} node @param {ReadonlySet<string>} above @returns {number} */
  function depthOf(node, above) {
    const known = depths.get(node.name);
    if (known !== undefined) return known;
    const seen = new Set([...above, node.name]);
    let depth = 0;
    for (const name of node.after) {
      const before = byName.get(name);
      if (before !== undefined && !seen.has(name)) depth = Math.max(depth, depthOf(before, seen) + 1);
    }
    depths.set(node.name, depth);
    return depth;
  }
  /** @type {string[][]} */
  const layers = [];
  for (const node of nodes) {
    const depth = depthOf(node, new Set());
    while (layers.length <= depth) layers.push([]);
    layers[depth]?.push(node.name);
  }
  return layers;
}

/** An arrow's head is as long as that. */
const HEAD = 7;

/** @param {Place} from @param {Place} to @param {number} boxWidth @param {boolean} isUpright */
function curve(from, to, boxWidth, isUpright) {
  if (isUpright) {
    const [x1, y1, x2, y2] = [from.x + boxWidth / 2, from.y + BOX_HEIGHT, to.x + boxWidth / 2, to.y - HEAD];
    const bend = LAYER_GAP / 2;
    return `M${x1},${y1} C${x1},${y1 + bend} ${x2},${y2 - bend} ${x2},${y2}`;
  }
  const [x1, y1, x2, y2] = [from.x + boxWidth, from.y + BOX_HEIGHT / 2, to.x - HEAD, to.y + BOX_HEIGHT / 2];
  const bend = LAYER_GAP / 2;
  return `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
}
