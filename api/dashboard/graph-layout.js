/**
 * Where the stages of a job stand: in layers, each behind all that it reads. Pure: sizes are pixels.
 */

/** @typedef {{ readonly name: string, readonly after: readonly string[] }} Stage */
/** @typedef {{ readonly x: number, readonly y: number }} Point */
/** @typedef {Point & { readonly name: string }} Place */
/** @typedef {{ readonly from: string, readonly to: string, readonly path: string }} Edge */
/** A list has no arrows: its boxes say what they come after. @typedef {'across' | 'down' | 'list'} Shape */
/** @typedef {{ readonly shape: Shape, readonly width: number, readonly height: number, readonly boxWidth: number, readonly places: readonly Place[], readonly edges: readonly Edge[] }} Layout */
/** A box, or a lane: where an arrow passes a layer that is none of its business. @typedef {{ readonly name: string, readonly isLane: boolean }} Slot */

export const BOX_HEIGHT = 106;
const LEAST_BOX_WIDTH = 190;
const MOST_BOX_WIDTH = 280;
/** Between the boxes of a layer. */
const GAP = 14;
/** Between layers: an arrow must fit. */
const LAYER_GAP = 48;
const LANE_WIDTH = 6;
/** An arrow's head is as long as that. */
const HEAD = 7;

/**
 * From left to right where that fits into `width`, else from top to bottom, else as a list.
 * @param {readonly Stage[]} stages
 * @param {number} width
 * @returns {Layout}
 */
export function layOut(stages, width) {
  const layers = slotsOf(stages);
  const gaps = Math.max(0, layers.length - 1) * LAYER_GAP;
  const across = Math.floor((width - gaps) / Math.max(1, layers.length));
  if (across >= LEAST_BOX_WIDTH) return inLayers(stages, layers, 'across', Math.min(MOST_BOX_WIDTH, across));
  const lanes = Math.max(0, ...layers.map((layer) => layer.filter(({ isLane }) => isLane).length));
  const most = Math.max(1, ...layers.map((layer) => layer.filter(({ isLane }) => !isLane).length));
  const down = Math.floor((width - lanes * (LANE_WIDTH + GAP) - (most - 1) * GAP) / most);
  if (down >= LEAST_BOX_WIDTH) return inLayers(stages, layers, 'down', Math.min(MOST_BOX_WIDTH, down));
  const places = stages.map(({ name }, index) => ({ name, x: 0, y: index * (BOX_HEIGHT + GAP) }));
  const height = Math.max(0, places.length * (BOX_HEIGHT + GAP) - GAP);
  return { shape: 'list', width, height, boxWidth: width, places, edges: [] };
}

/**
 * @param {readonly Stage[]} stages
 * @param {readonly (readonly Slot[])[]} layers
 * @param {'across' | 'down'} shape
 * @param {number} boxWidth
 * @returns {Layout}
 */
function inLayers(stages, layers, shape, boxWidth) {
  const isDown = shape === 'down';
  const depthSize = isDown ? BOX_HEIGHT : boxWidth;
  const sideSize = (/** @type {Slot} */ { isLane }) => (isLane ? LANE_WIDTH : isDown ? boxWidth : BOX_HEIGHT);
  const breadthOf = (/** @type {readonly Slot[]} */ layer) =>
    layer.reduce((sum, slot) => sum + sideSize(slot), 0) + Math.max(0, layer.length - 1) * GAP;
  const breadth = Math.max(0, ...layers.map(breadthOf));
  const length = layers.length * depthSize + Math.max(0, layers.length - 1) * LAYER_GAP;
  /** Where arrows come in and go out. @type {Map<string, { readonly start: number, readonly end: number, readonly side: number }>} */
  const spans = new Map();
  /** @type {Place[]} */
  const places = [];
  for (const [depth, layer] of layers.entries()) {
    const start = depth * (depthSize + LAYER_GAP);
    let side = (breadth - breadthOf(layer)) / 2;
    for (const slot of layer) {
      const size = sideSize(slot);
      spans.set(slot.name, { start, end: start + depthSize, side: side + size / 2 });
      if (!slot.isLane) places.push({ name: slot.name, ...point(start, side) });
      side += size + GAP;
    }
  }

  /** @param {number} depth @param {number} side @returns {Point} */
  function point(depth, side) {
    return isDown ? { x: side, y: depth } : { x: depth, y: side };
  }
  /** @param {number} depth @param {number} side */
  const at = (depth, side) => {
    const { x, y } = point(depth, side);
    return `${x},${y}`;
  };

  const depths = depthsOf(stages);
  const edges = stages.flatMap(({ name, after }) =>
    after.flatMap((before) => {
      const names = [before, ...lanesOf(before, name, depths), name];
      const way = names.map((each) => spans.get(each));
      let path = '';
      for (let step = 1; step < way.length; step += 1) {
        const [from, to] = [way[step - 1], way[step]];
        if (from === undefined || to === undefined) return [];
        const end = step === way.length - 1 ? to.start - HEAD : to.start;
        const bend = LAYER_GAP / 2;
        path += step === 1 ? `M${at(from.end, from.side)}` : `L${at(from.end, from.side)}`;
        path += ` C${at(from.end + bend, from.side)} ${at(end - bend, to.side)} ${at(end, to.side)} `;
      }
      return [{ from: before, to: name, path: path.trim() }];
    }),
  );
  const [fullWidth, height] = isDown ? [breadth, length] : [length, breadth];
  return { shape, width: fullWidth, height, boxWidth, places, edges };
}

/** @param {string} from @param {string} to @param {ReadonlyMap<string, number>} depths @returns {string[]} */
function lanesOf(from, to, depths) {
  const first = (depths.get(from) ?? 0) + 1;
  const count = Math.max(0, (depths.get(to) ?? 0) - first);
  return Array.from({ length: count }, (_, index) => `${from} ${to} ${first + index}`);
}

/**
 * The layers, in each the boxes and lanes in the order of what they come from: fewer arrows cross.
 * @param {readonly Stage[]} stages
 * @returns {Slot[][]}
 */
function slotsOf(stages) {
  const depths = depthsOf(stages);
  /** @type {Slot[][]} */
  const layers = [];
  /** @type {Map<string, string[]>} */
  const sources = new Map();
  /** @param {number} depth @param {Slot} slot @param {string[]} from */
  const add = (depth, slot, from) => {
    while (layers.length <= depth) layers.push([]);
    layers[depth]?.push(slot);
    sources.set(slot.name, from);
  };
  for (const { name, after } of stages) {
    const last = after
      .filter((before) => depths.has(before))
      .map((before) => {
        let from = before;
        for (const lane of lanesOf(before, name, depths)) {
          add(Number(lane.split(' ')[2]), { name: lane, isLane: true }, [from]);
          from = lane;
        }
        return from;
      });
    add(depths.get(name) ?? 0, { name, isLane: false }, last);
  }
  for (const [depth, layer] of layers.entries()) {
    const before = layers[depth - 1]?.map(({ name }) => name) ?? [];
    const middle = (/** @type {Slot} */ { name }) => {
      const from = (sources.get(name) ?? []).map((each) => before.indexOf(each)).filter((index) => index >= 0);
      return from.length === 0 ? 0 : from.reduce((sum, index) => sum + index, 0) / from.length;
    };
    layer.sort((a, b) => middle(a) - middle(b));
  }
  return layers;
}

/**
 * By the longest way from a stage that reads none. Names that no stage bears, and circles, are left aside: what is shown is shown.
 * @param {readonly Stage[]} stages
 * @returns {Map<string, number>}
 */
function depthsOf(stages) {
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  /** @type {Map<string, number>} */
  const depths = new Map();
  /** @param {Stage} stage @param {ReadonlySet<string>} above @returns {number} */
  function depthOf(stage, above) {
    const known = depths.get(stage.name);
    if (known !== undefined) return known;
    const seen = new Set([...above, stage.name]);
    let depth = 0;
    for (const name of stage.after) {
      const before = byName.get(name);
      if (before !== undefined && !seen.has(name)) depth = Math.max(depth, depthOf(before, seen) + 1);
    }
    depths.set(stage.name, depth);
    return depth;
  }
  for (const stage of stages) depthOf(stage, new Set());
  return depths;
}
