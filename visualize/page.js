'use strict';

// The page of a diagram. Python has laid out the graph; this script draws it, and answers the reader: zoom, search, the
// paths of a node, steps of a training, the change between two sweeps. It has no dependencies and asks for nothing.
//
// What a name says is never markup: text reaches the page through textContent alone.

const data = JSON.parse(document.getElementById('data').textContent);

// Kinds and marks of nodes, as in visualize/graph.py.
const INPUT = 0;
const LOSS = 2;
const [ALIVE, UNSWEPT, DETACHED, DEAD, NONFINITE, BLANK] = [0, 1, 2, 3, 4, 5];

// Classes of the decade scale go from -LIMIT to LIMIT, as in visualize/scales.py.
const LIMIT = 6;
const [THINNEST, THICKEST] = [0.5, 6.5];
const MINUS = '\u2212';

// Numbers. ------------------------------------------------------------------------------------------------------------

/**
 * Formats x with three significant digits, scientific outside 10^-2 to 10^3, letter for letter as scales.number does.
 * @param {number} x
 */
function number(x) {
  if (Number.isNaN(x)) return 'NaN';
  const sign = x < 0 ? MINUS : '';
  if (!Number.isFinite(x)) return `${sign}∞`;
  if (x === 0) return '0';
  const [digits, power] = threeDigits(Math.abs(x)).split('e');
  const exponent = Number(power);
  if ((exponent >= -2 && exponent <= 2) || (exponent === 3 && digits === '1.00')) {
    return sign + trimmed(Number(`${digits}e${exponent}`).toFixed(Math.max(2 - exponent, 0)));
  }
  return `${sign}${trimmed(digits)}e${signed(exponent)}`;
}

/** Formats x > 0 as "d.dde±p". A tie goes to the even digit, as in Python; toExponential alone would round it up. */
function threeDigits(x) {
  const exact = x.toExponential(60);
  const tie = /^(\d\.\d[02468])50*(e.*)$/.exec(exact);
  return tie ? tie[1] + tie[2] : x.toExponential(2);
}

/** Formats x with some digits after the point, a real minus sign, and a plus sign if asked for. */
function signed(x, digits = 0, plus = false) {
  if (!Number.isFinite(x)) return number(x);
  const text = fixed(Math.abs(x), digits);
  const negative = x < 0 && Number(text) !== 0;
  return (negative ? MINUS : plus ? '+' : '') + text;
}

/** Formats x >= 0 with some digits after the point; a tie goes to the even digit, as in Python. */
function fixed(x, digits) {
  const tie = new RegExp(`^(\\d+\\.\\d{${Math.max(digits - 1, 0)}}[02468])50*$`).exec(digits ? x.toFixed(60) : '');
  return tie ? tie[1] : x.toFixed(digits);
}

function trimmed(digits) {
  return digits.includes('.') ? digits.replace(/0+$/, '').replace(/\.$/, '') : digits;
}

function powerOfTen(exponent) {
  if (exponent === 0) return '1';
  return '10' + String(exponent).replace(/[-\d]/g, c => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(c)]);
}

/** Formats a share with one digit after the point, and never as 100 % what is less. */
function percent(share) {
  if (share > 0.999 && share < 1) return 'over 99.9 %';
  if (share > 0 && share < 0.001) return 'under 0.1 %';
  return `${fixed(100 * share, 1)} %`.replace('.0 %', ' %');
}

function count(n, noun) {
  return `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;
}

// The scale. ----------------------------------------------------------------------------------------------------------

function decadeOf(x, reference) {
  return Math.log10(Math.abs(x)) - Math.log10(reference);
}

function classOf(decade) {
  if (Number.isNaN(decade)) return 0;
  return Math.min(Math.max(Math.floor(decade + 0.5), -LIMIT), LIMIT);
}

function widthOf(decade) {
  const inside = Number.isNaN(decade) ? 0 : Math.min(Math.max(decade, -LIMIT), LIMIT);
  return THINNEST + (THICKEST - THINNEST) * (inside + LIMIT) / (2 * LIMIT);
}

/** The name of a class in the palettes: m3 for -3, p1 for 1. */
function role(k) {
  return `${k < 0 ? 'm' : 'p'}${Math.abs(k)}`;
}

/** How a node with a mark looks, of a class if it is alive: roles of the palette, dash and width of the outline. */
function lookOf(mark, k) {
  switch (mark) {
    case DEAD: return {fill: 'paper', line: 'line', ink: 'muted', dash: 'dashed', pen: 1.3};
    case NONFINITE: return {fill: 'alarm', line: 'alarm', ink: 'ialarm', dash: '', pen: 1.3};
    case DETACHED: return {fill: 'paper', line: 'faint', ink: 'muted', dash: 'dotted', pen: 1.6};
    case UNSWEPT: return {fill: 'paper', line: 'line', ink: 'ink', dash: '', pen: 1.1};
    case BLANK: return {fill: 'cell', line: 'line', ink: 'ink', dash: '', pen: 1.1};
    default: return {fill: role(k), line: 'line', ink: `i${role(k)}`, dash: '', pen: 1.1};
  }
}

// The elements of the page. -------------------------------------------------------------------------------------------

const byId = id => document.getElementById(id);
const [stage, svg, world, tip, panel] = ['stage', 'picture', 'world', 'tip', 'panel'].map(byId);

/** Makes an element of HTML with properties and children; strings become text. */
function html(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Makes an element of SVG with attributes and children; strings become text. */
function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function say(words) {
  byId('live').textContent = words;
}

// The graph and its states. -------------------------------------------------------------------------------------------

const isGraph = data.view !== 'picture';
const circles = data.view === 'circles';
const nodes = data.nodes;
const edges = data.edges;
const n = isGraph ? nodes.names.length : 0;
const m = isGraph ? edges.source.length : 0;
const loss = i => nodes.kinds[i] === String(LOSS);
/** Whether the tables count a node: the loss of a net is no unit. */
const isUnit = i => data.noun !== 'unit' || !loss(i);
const letterOf = i => (nodes.kinds[i] === '1' ? data.symbol : 'g');
const levelNames = new Map(isGraph ? data.levelNames : []);

/** The edges that lead from each node, and to it. */
const outgoing = Array.from({length: n}, () => []);
const incoming = Array.from({length: n}, () => []);
for (let e = 0; e < m; e++) {
  outgoing[edges.source[e]].push(e);
  incoming[edges.target[e]].push(e);
}

/** Decodes numbers of which the first bytes are kept, as visualize.pages.packed wrote them. */
function unpacked(text, length) {
  const raw = atob(text);
  const kept = length ? raw.length / length : 0;
  const view = new DataView(new ArrayBuffer(8 * length));
  for (let k = 0; k < raw.length; k++) view.setUint8(8 * Math.floor(k / kept) + k % kept, raw.charCodeAt(k));
  return Float64Array.from({length}, (_, i) => view.getFloat64(8 * i));
}

/** Decodes runs of small numbers: "0*198 3 0*2". */
function fromRuns(text) {
  return Uint8Array.from(text.split(' ').filter(Boolean).flatMap(run => {
    const [value, length = 1] = run.split('*').map(Number);
    return Array(length).fill(value);
  }));
}

const decoded = new Map();

/** The numbers of state k. What a page of many steps leaves out of the edges is null. */
function stateOf(k) {
  if (decoded.has(k)) return decoded.get(k);
  const raw = data.states[k];
  const ofEdges = text => (text === undefined ? null : unpacked(text, m));
  const gradients = unpacked(raw.gradients, n);
  const messages = ofEdges(raw.messages);
  const state = {
    ...raw,
    index: k,
    loss: raw.loss === null ? null : Number(raw.loss.replace('inf', 'Infinity')),
    gradients,
    values: unpacked(raw.values, n),
    fills: raw.fills === undefined ? gradients : unpacked(raw.fills, n),
    marks: fromRuns(raw.marks),
    fillMarks: fromRuns(raw.fillMarks),
    messages,
    strengths: data.line === 'message' ? messages : ofEdges(raw.strengths),
    edgeMarks: fromRuns(raw.edgeMarks),
    factors: ofEdges(raw.factors),
    weightGradients: ofEdges(raw.weightGradients),
    closed: new Set(raw.closed),
  };
  decoded.set(k, state);
  return state;
}

const steps = isGraph ? data.states.map((_, k) => k).filter(k => !data.states[k].apart) : [];

/** The state whose edges are drawn at state k: itself if the page has its edges, else the nearest step with edges. */
function edgeStateOf(k) {
  if (data.states[k].apart || hasEdges(k)) return stateOf(k);
  const off = j => Math.abs(j - k);
  return stateOf(steps.filter(hasEdges).reduce((best, j) => (off(j) < off(best) ? j : best)));
}

const hasEdges = k => data.states[k][data.line === 'message' ? 'messages' : 'strengths'] !== undefined;

// What is shown: one state, or the change from one to another. --------------------------------------------------------

const shown = {step: 0, compare: false, before: 0, after: 0, selected: -1, hovered: -1};
/** The colours of the moment: decades, marks and signs of the nodes and the edges. */
let seen = null;

function look() {
  return shown.compare ? change(shown.before, shown.after) : sight(shown.step);
}

function sight(k) {
  const state = stateOf(k);
  const lines = edgeStateOf(k);
  return {
    state,
    lines,
    decades: state.fills.map(x => decadeOf(x, state.reference)),
    marks: state.fillMarks,
    flipped: null,
    edgeDecades: lines.strengths.map(x => decadeOf(x, lines.edgeReference)),
    edgeMarks: lines.edgeMarks,
    negative: lines.strengths.map(x => x < 0),
  };
}

/** The change from state a to state b: log10 of the ratio of sizes, marks, and where the sign has flipped. */
function change(a, b) {
  const [before, now, linesBefore, linesNow] = [stateOf(a), stateOf(b), edgeStateOf(a), edgeStateOf(b)];
  const ofNodes = ratios(now.fills, before.fills, now.fillMarks, before.fillMarks);
  const ofEdges = ratios(linesNow.strengths, linesBefore.strengths, linesNow.edgeMarks, linesBefore.edgeMarks);
  return {
    state: now,
    lines: linesNow,
    before,
    decades: ofNodes.decades,
    marks: ofNodes.marks,
    flipped: ofNodes.flipped,
    edgeDecades: ofEdges.decades,
    edgeMarks: ofEdges.marks,
    negative: ofEdges.flipped,
  };
}

function ratios(now, before, marksNow, marksBefore) {
  const marks = marksNow.map((mark, i) => {
    const gone = marksBefore[i] !== ALIVE && marksBefore[i] !== DEAD;
    return mark === ALIVE && gone ? marksBefore[i] : mark;
  });
  // What was exactly 0 and is not any more has become infinitely larger.
  const decades = now.map((x, i) => Math.log10(Math.abs(x)) - Math.log10(Math.abs(before[i])));
  const flipped = now.map((x, i) => !data.many && marks[i] === ALIVE && Math.sign(x) * Math.sign(before[i]) === -1);
  return {decades, marks, flipped};
}

// Drawing: nodes. -----------------------------------------------------------------------------------------------------

/** The outline of a node around the origin. */
function outline(shape, w, h) {
  const [a, b] = [w / 2, h / 2];
  if (shape === 'box') return `M${-a},${-b}H${a}V${b}H${-a}Z`;
  if (shape === 'octagon') {
    const [c, d] = [a - 0.2929 * w, b - 0.2929 * h];
    return `M${-c},${-b}H${c}L${a},${-d}V${d}L${c},${b}H${-c}L${-a},${d}V${-d}Z`;
  }
  if (shape === 'ellipse') return `M${-a},0A${a},${b} 0 1 1 ${a},0A${a},${b} 0 1 1 ${-a},0Z`;
  const r = Math.min(12, a, b);
  return `M${-a + r},${-b}H${a - r}A${r},${r} 0 0 1 ${a},${-b + r}V${b - r}A${r},${r} 0 0 1 ${a - r},${b}`
    + `H${-a + r}A${r},${r} 0 0 1 ${-a},${b - r}V${-b + r}A${r},${r} 0 0 1 ${-a + r},${-b}Z`;
}

function shapeOf(i, mark) {
  if (mark === NONFINITE) return 'octagon';
  if (nodes.kinds[i] === String(INPUT)) return 'box';
  return loss(i) || circles ? 'ellipse' : 'round';
}

const BADGE = {'text-anchor': 'middle', 'font-size': 9, 'font-weight': 'bold'};

/** Per node: its group, outline, ring (of the loss), lines of text, and the badge of a flipped sign. */
let drawnNodes = [];

function makeNodes(layer) {
  drawnNodes = nodes.names.map((_, i) => {
    const group = draw('g', {class: 'node', 'data-node': i, transform: `translate(${nodes.x[i]},${nodes.y[i]})`});
    const ring = loss(i) ? draw('path', {class: 'f-paper s-line'}) : null;
    const shape = draw('path', {class: 'outline'});
    const badge = draw('g', {class: 'badge', display: 'none'},
      draw('circle', {class: 'f-paper s-ink', r: 5.5, 'stroke-width': 1.2}),
      draw('text', {class: 't-ink', y: 3.1, ...BADGE}, '±'));
    const lines = circles ? [] : [0, 1, 2, 3].map(() => draw('text', {'font-size': 11}));
    group.append(...(ring ? [ring] : []), shape, ...lines, badge);
    layer.append(group);
    return {group, ring, shape, lines, badge};
  });
}

function paintNodes() {
  for (let i = 0; i < n; i++) {
    const mark = seen.marks[i];
    const flipped = Boolean(seen.flipped && seen.flipped[i]);
    const {fill, line, ink, dash, pen} = lookOf(mark, classOf(seen.decades[i]));
    const {ring, shape, lines, badge} = drawnNodes[i];
    const kind = shapeOf(i, mark);
    if (!circles) writeLines(lines, linesOf(i), nodes.w[i] - (loss(i) ? 8 : 0), ink, loss(i) || kind === 'octagon');
    const drawn = `${kind} ${fill} ${line} ${dash} ${flipped}`;
    if (drawnNodes[i].drawn === drawn) continue;
    drawnNodes[i].drawn = drawn;
    let [w, h] = [nodes.w[i], nodes.h[i]];
    if (ring) {
      const ringed = kind === 'ellipse';
      ring.setAttribute('d', ringed ? outline('ellipse', w, h) : '');
      if (ringed) [w, h] = [w - (circles ? 7 : 8), h - (circles ? 7 : 8)];
    }
    shape.setAttribute('d', outline(kind, w, h));
    shape.setAttribute('class', `outline f-${fill} s-${line} ${dash}`);
    shape.setAttribute('stroke-width', flipped ? 3 : pen);
    badge.setAttribute('display', flipped ? '' : 'none');
    const inside = circles ? 0 : 2.5; // a box has a round corner there
    badge.setAttribute('transform', `translate(${w / 2 - inside},${-h / 2 + inside})`);
  }
}

/** The lines of text in a node: what it is, its value, its gradient; or its gradient and how it has changed. */
function linesOf(i) {
  const {state} = seen;
  const mark = state.marks[i];
  const head = nodes.heads[i];
  const value = number(state.values[i]);
  if (loss(i)) {
    const lines = [head, value];
    return state.swept ? lines : [...lines, `${data.call.split('.').pop()} not run`];
  }
  if (mark === UNSWEPT) return [head, `v = ${value}`];
  if (mark === DETACHED && !state.swept) return [head, `v = ${value}`, 'no path'];
  const word = {[DEAD]: '  dead', [DETACHED]: '  no path'}[mark] || '';
  const gradient = `${letterOf(i)} = ${number(state.gradients[i])}${word}`;
  const roomy = nodes.h[i] > 60; // four lines
  if (shown.compare) return [head, ...(roomy ? [`v = ${value}`] : []), gradient, ratioWords(i)];
  const more = extraWords(i);
  return [head, `v = ${value}`, gradient, ...(more ? [more] : [])];
}

/** How a node has changed between the two sweeps. */
function ratioWords(i) {
  if (seen.marks[i] !== ALIVE) return '';
  return `× ${number(10 ** seen.decades[i])}${seen.flipped[i] ? ' ±' : ''}`;
}

/** What the colour of a node shows, where its other lines do not say it. */
function extraWords(i) {
  const word = {gradient: '‖∂w‖ = ', update: 'update '}[data.fill];
  const {state} = seen;
  if (!word || state.fills === state.gradients || ![ALIVE, DEAD].includes(state.fillMarks[i])) return '';
  return word + number(Math.abs(state.fills[i]));
}

function writeLines(elements, lines, w, ink, centred) {
  for (const [k, element] of elements.entries()) {
    const text = lines[k] || '';
    if (element.textContent !== text) element.textContent = text;
    element.setAttribute('class', `t-${ink}`);
    element.setAttribute('x', centred ? 0 : 9 - w / 2);
    element.setAttribute('y', (k - (lines.length - 1) / 2) * 14 + 0.35 * 11);
    element.setAttribute('text-anchor', centred ? 'middle' : 'start');
    element.removeAttribute('textLength');
    // The box was made for the numbers of one step; those of another may be a letter longer.
    const room = w - (centred ? 8 : 14);
    if (text && element.getComputedTextLength() > room) {
      element.setAttribute('textLength', room);
      element.setAttribute('lengthAdjust', 'spacingAndGlyphs');
    }
  }
}

// Drawing: edges. -----------------------------------------------------------------------------------------------------

const curveOf = e => edges.curves[e] || `M${pointOf(edges.source[e])}L${pointOf(edges.target[e])}`;
const pointOf = i => `${nodes.x[i]},${nodes.y[i]}`;

/** How an edge looks: role of its colour, width, dash. */
function strokeOf(e) {
  const mark = seen.edgeMarks[e];
  const decade = seen.edgeDecades[e];
  if (mark === UNSWEPT || mark === BLANK) return {line: 'faint', pen: 1, dash: ''};
  if (mark === DEAD) return {line: 'faint', pen: 1, dash: 'dotted'};
  if (mark !== ALIVE) return {line: 'alarm', pen: 2, dash: ''};
  const k = classOf(decade);
  // In the circles view edges of a class are one path, and so have one width.
  return {line: `e${role(k)}`, pen: widthOf(circles ? k : decade), dash: seen.negative[e] ? 'dashed' : ''};
}

function arrowhead(e, pen) {
  const [bx, by, tx, ty] = edges.heads[e];
  const [dx, dy] = [tx - bx, ty - by];
  const length = Math.max(Math.hypot(dx, dy), 1e-9);
  const half = Math.max(0.35 * length, 0.9 * pen) / length;
  const corners = [[tx, ty], [bx - dy * half, by + dx * half], [bx + dy * half, by - dx * half]];
  return corners.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');
}

/** Paints edges one by one, with arrowheads: the labels view, and the paths of a selected node in it. */
function paintEach(layer, list) {
  layer.replaceChildren(...list.map(e => {
    const {line, pen, dash} = strokeOf(e);
    const group = draw('g', {'data-edge': e},
      draw('path', {class: `s-${line} ${dash}`, d: curveOf(e), 'stroke-width': pen.toFixed(2)}));
    if (edges.heads[e]) group.append(draw('polygon', {class: `t-${line}`, points: arrowhead(e, pen)}));
    return group;
  }));
}

/**
 * Paints edges of the circles view, those that look the same as one path.
 * @param {SVGElement} layer
 * @param {Iterable<number>} list the edges, the strongest last
 * @param {(e: number, place: number) => number} opacityOf
 */
function paintTogether(layer, list, opacityOf) {
  const paths = new Map();
  let place = 0;
  for (const e of list) {
    const {line, pen} = strokeOf(e);
    const opacity = opacityOf(e, place++).toFixed(2);
    const key = `${opacity}|${line}|${(0.3 + 0.3 * pen).toFixed(2)}`;
    if (!paths.has(key)) paths.set(key, []);
    paths.get(key).push(curveOf(e));
  }
  layer.replaceChildren(...[...paths].map(([key, curves]) => {
    const [opacity, line, pen] = key.split('|');
    return draw('path', {class: `s-${line}`, d: curves.join(''), 'stroke-width': pen, opacity});
  }));
}

/** Whether there are so many edges that all but the strongest are faded. */
const isCrowded = () => n > data.limits.calm || m > data.limits.crowd;

/** The edges by strength, the strongest last; the circles view leaves out the weakest of very many. */
function byStrength() {
  const strength = e => (seen.edgeMarks[e] === NONFINITE ? Infinity
    : seen.edgeMarks[e] === ALIVE ? seen.edgeDecades[e] : -Infinity);
  const order = Array.from({length: m}, (_, e) => e).sort((a, b) => strength(a) - strength(b) || a - b);
  return order.slice(-data.limits.most);
}

function paintEdges() {
  if (!circles) {
    paintEach(layers.edges, Array.from({length: m}, (_, e) => e));
    paintLabels();
    return;
  }
  // What carries nothing is left out: hundreds of dotted lines would hide what the others say.
  const order = byStrength().filter(e => seen.edgeMarks[e] !== DEAD);
  const crowded = isCrowded();
  // Many faint lines add up: the more there are, the fainter each.
  const faded = Math.min(Math.max(0.12 * Math.sqrt(data.limits.crowd / Math.max(order.length, 1)), 0.03), 0.12);
  paintTogether(layers.edges, order, (e, place) => {
    if (crowded) return place >= order.length - data.limits.strongest ? 0.75 : faded;
    const decade = classOf(seen.edgeDecades[e]);
    return Math.min(Math.max(0.35 + 0.65 * (decade + 4) / 5, 0.35), 0.9);
  });
  // The skip edges of which the verdict speaks stand out.
  if (!shown.compare && seen.lines === seen.state) {
    for (const e of seen.state.strong) {
      const {line, pen} = strokeOf(e);
      layers.edges.append(draw('path', {class: `s-${line}`, d: curveOf(e), 'stroke-width': 1.1 + 0.3 * pen}));
    }
  }
}

function paintLabels() {
  layers.labels.replaceChildren();
  for (const [e, [x, y]] of Object.entries(edges.labels)) {
    const lines = edgeLines(Number(e));
    const faint = seen.edgeMarks[e] === DEAD;
    const group = draw('g', {'data-edge': e},
      ...lines.map((line, k) => draw('text', {
        class: `label ${faint ? 't-faint' : 't-muted'}`, x, y: y + (k - (lines.length - 1) / 2) * 10.5 + 3.2,
        'text-anchor': 'middle', 'font-size': 9,
      }, line)));
    layers.labels.append(group);
    if (!labelShifts.has(e)) labelShifts.set(e, lines.length ? clearance(Number(e), group.getBBox()) : 0);
    group.setAttribute('transform', `translate(0,${labelShifts.get(e).toFixed(1)})`);
  }
}

/** How far each label is moved off its edge, the same at all steps. */
const labelShifts = new Map();

/** How far a label has to move up (negative) or down so as not to touch its own edge. */
function clearance(e, box) {
  const [top, bottom, middle] = [box.y - 1, box.y + box.height, box.y + box.height / 2];
  let [above, below] = [-Infinity, Infinity]; // where the edge runs over and under the middle of the label
  const points = polylineOf(e);
  for (let k = 2; k < points.length; k += 2) {
    for (let t = 0; t <= 1; t += 0.125) {
      const [x, y] = [0, 1].map(o => points[k - 2 + o] + t * (points[k + o] - points[k - 2 + o]));
      if (x < box.x || x > box.x + box.width) continue;
      if (y < middle) above = Math.max(above, y + THICKEST / 2);
      else below = Math.min(below, y - THICKEST / 2);
    }
  }
  if (above > top && below - bottom >= above - top) return above - top;
  return Math.min(below - bottom, 0);
}

/** The label of an edge: weight and its gradient in a net, local partial and message elsewhere. */
function edgeLines(e) {
  const {lines: state} = seen;
  const shownNumber = (words, list) => (list ? [`${words} ${number(list[e])}`] : []);
  if (shown.compare && seen.edgeMarks[e] === ALIVE) {
    return [`× ${number(10 ** seen.edgeDecades[e])}${seen.negative[e] ? ' ±' : ''}`];
  }
  if (e >= edges.gates[0] && e < edges.gates[1]) return ['gate', ...shownNumber('×', state.factors)];
  if (edges.weighted) {
    if (loss(edges.target[e]) && state.weightGradients && Number.isNaN(state.weightGradients[e])) return [];
    return [...shownNumber('w', state.factors), ...shownNumber('∂w', state.weightGradients)];
  }
  if (data.noun === 'unit') return shownNumber('w', state.factors);
  if (state.closed.has(e)) return ['no gradient'];
  return [...shownNumber('∂', state.factors), ...(state.swept ? shownNumber('←', state.messages) : [])];
}

// Drawing: the strip over the levels of the circles view. -------------------------------------------------------------

const levelsInOrder = [...new Set(isGraph ? nodes.levels : [])].sort((a, b) => a - b)
  .filter(level => nodes.levels.some((l, i) => l === level && isUnit(i)));
const ROW = 15;

/** The nodes of each level that the tables count. */
const membersOf = new Map(levelsInOrder.map(level => [level, []]));
for (let i = 0; i < n; i++) if (isUnit(i)) membersOf.get(nodes.levels[i]).push(i);

/** What the strip and the table of levels count in a level. */
function levelStatistics(level) {
  const bins = new Map();
  const logs = [];
  const marks = new Map();
  for (const i of membersOf.get(level)) {
    const mark = seen.marks[i];
    if (mark === ALIVE) {
      const k = classOf(seen.decades[i]);
      bins.set(k, (bins.get(k) || 0) + 1);
      logs.push(seen.decades[i]);
    } else {
      marks.set(mark, (marks.get(mark) || 0) + 1);
    }
  }
  logs.sort((a, b) => a - b);
  const half = Math.floor((logs.length - 1) / 2);
  const median = logs.length ? (logs[half] + logs[Math.floor(logs.length / 2)]) / 2 : NaN;
  return {level, size: membersOf.get(level).length, bins, marks, median, low: logs[0], high: logs[logs.length - 1]};
}

/** The rows of the strip, the same at every step: classes from large to small, then the marks that occur. */
function stripRows() {
  if (shown.compare) return rowsFor([seen]);
  rowsOfSteps ||= rowsFor(steps.map(stateOf).map(state => ({
    marks: state.fillMarks,
    decades: state.fills.map(x => decadeOf(x, state.reference)),
  })));
  return rowsOfSteps;
}

let rowsOfSteps = null;

function rowsFor(sights) {
  const present = new Set();
  const marks = new Set();
  for (const {marks: its, decades} of sights) {
    for (let i = 0; i < n; i++) {
      if (!isUnit(i)) continue;
      if (its[i] === ALIVE) present.add(classOf(decades[i]));
      else marks.add(its[i]);
    }
  }
  const [high, low] = [Math.max(0, ...present), Math.min(-3, ...present)];
  const rows = [];
  for (let k = high; k >= low; k--) rows.push({mark: ALIVE, k, name: binName(k)});
  for (const [mark, name] of [[DEAD, '0 (dead)'], [NONFINITE, 'NaN or ∞'], [DETACHED, 'no path']]) {
    if (marks.has(mark)) rows.push({mark, k: 0, name});
  }
  return rows;
}

function binName(k) {
  if (k === -LIMIT) return `≤${powerOfTen(-LIMIT)}`;
  if (k === LIMIT) return `≥${powerOfTen(LIMIT)}`;
  return k ? powerOfTen(k) : '10⁰';
}

const countIn = (statistics, {mark, k}) => (mark === ALIVE ? statistics.bins.get(k) : statistics.marks.get(mark)) || 0;
let rowsOfStrip = [];

/** How high the strip is above the graph; 0 if there is none. */
function stripHeight() {
  return circles && data.states.some(state => state.swept) && levelsInOrder.length ? ROW * rowsOfStrip.length + 52 : 0;
}

function paintStrip(statistics) {
  if (!stripHeight()) return;
  const middle = level => {
    const here = membersOf.get(level);
    return here.reduce((sum, i) => sum + nodes.x[i], 0) / here.length;
  };
  const places = levelsInOrder.map(middle);
  const pitch = Math.min(80, ...places.slice(1).map((x, k) => x - places[k]));
  const wide = Math.min(Math.max(pitch, 8) * 0.62, 46);
  const every = Math.max(1, Math.ceil(34 / Math.max(pitch, 1)));
  const text = (x, y, words, attributes = {}) =>
    draw('text', {x, y, class: 't-ink', 'font-size': 9, 'text-anchor': 'middle', ...attributes}, words);
  const top = -stripHeight() + 12;
  const heading = {class: 't-muted', 'text-anchor': 'end', 'font-size': 8.5};
  const parts = [text(-20, top, `${data.noun}s per decade`, heading)];
  for (const [j, row] of rowsOfStrip.entries()) {
    parts.push(text(-20, top + 7 + ROW * j + 11, row.name, {'text-anchor': 'end'}));
  }
  const foot = top + 7 + ROW * rowsOfStrip.length + 11;
  parts.push(text(-20, foot, 'median, log10', heading));
  for (const [c, level] of levelsInOrder.entries()) {
    const x = places[c];
    if (c % every === 0) {
      const name = levelNames.get(level);
      parts.push(text(x, top, pitch >= 40 ? name : name.replace('level ', ''),
        {'font-weight': 'bold', 'font-size': pitch >= 52 ? 9.5 : 8.5}));
      if (!Number.isNaN(statistics[c].median)) parts.push(text(x, foot, signed(statistics[c].median, 1, true)));
    }
    for (const [j, row] of rowsOfStrip.entries()) {
      const found = countIn(statistics[c], row);
      const {fill, line, ink, dash} = lookOf(row.mark, row.k);
      const y = top + 7 + ROW * j;
      parts.push(draw('rect', {
        x: x - wide / 2, y, width: wide, height: ROW - 1,
        class: found ? `f-${fill} ${row.mark === ALIVE ? 's-faint' : `s-${line} ${dash}`}` : 'f-cell',
        'stroke-width': row.mark === ALIVE ? 0.6 : 1.1,
      }));
      if (found && wide >= 14) parts.push(text(x, y + 10.6, found.toLocaleString('en'), {class: `t-${ink}`}));
    }
  }
  layers.strip.replaceChildren(...parts);
}

// Drawing: all of it. -------------------------------------------------------------------------------------------------

const layers = {};

function makeLayers() {
  for (const name of ['strip', 'edges', 'paths', 'labels', 'nodes', 'shares', 'names']) {
    layers[name] = draw('g', {class: name === 'paths' ? 'edges' : name});
    world.append(layers[name]);
  }
  makeNodes(layers.nodes);
}

/** Draws everything that depends on the step, the comparison or the selection. */
function paint() {
  seen = look();
  rowsOfStrip = circles ? stripRows() : [];
  const statistics = levelsInOrder.map(levelStatistics);
  paintEdges();
  paintNodes();
  paintStrip(statistics);
  paintSelection();
  paintVerdict();
  paintLegend();
  fillLevelTable(statistics);
  if (byId('nodes').open) fillNodeTable();
  if (shown.hovered >= 0) showTip(nodeTip(shown.hovered));
}

function paintVerdict() {
  const words = shown.compare ? changeInWords() : seen.state.verdict;
  if (byId('verdict').textContent !== words) byId('verdict').textContent = words;
}

/** Keeps room for the longest verdict, so that the picture stays where it is while steps change. */
function reserveVerdict() {
  const element = byId('verdict');
  const words = element.textContent;
  element.style.minHeight = '';
  let high = element.offsetHeight;
  for (const {verdict} of isGraph ? data.states : []) {
    element.textContent = verdict;
    high = Math.max(high, element.offsetHeight);
  }
  element.textContent = words;
  element.style.minHeight = `${high}px`;
}

/** What has changed between two sweeps, in words. */
function changeInWords() {
  const alive = [];
  for (let i = 0; i < n; i++) if (isUnit(i) && seen.marks[i] === ALIVE) alive.push(i);
  if (!alive.length) return 'no node has a gradient in both sweeps: there is nothing to compare';
  const logs = alive.map(i => seen.decades[i]).sort((a, b) => a - b);
  const median = (logs[Math.floor((logs.length - 1) / 2)] + logs[Math.floor(logs.length / 2)]) / 2;
  const [smaller, larger] = [logs.filter(d => d <= -1).length, logs.filter(d => d >= 1).length];
  const sentences = [`from ${nameOf(shown.before)} to ${nameOf(shown.after)}: the median ${data.noun} has a gradient `
    + (Math.abs(median) < 0.005 ? 'as large as before' : `×${number(10 ** median)}`)];
  if (smaller) sentences.push(`${count(smaller, data.noun)} shrank by a decade or more`);
  if (larger) sentences.push(`${count(larger, data.noun)} grew by a decade or more`);
  const flipped = alive.filter(i => seen.flipped[i]);
  if (flipped.length) sentences.push(`${count(flipped.length, data.noun)} changed sign (±): ${listed(flipped)}`);
  if (data.many) sentences.push('signs are not compared: the numbers stand for several samples');
  return sentences.join('\n');
}

const nameOf = k => `“${data.states[k].label}”`;
const cut = (name, most) => ([...name].length > most ? `${[...name].slice(0, most - 1).join('')}…` : name);

function listed(list, most = 6) {
  const names = list.slice(0, most).map(i => cut(nodes.names[i], 40)).join(', ');
  return list.length > most ? `${names} and ${(list.length - most).toLocaleString('en')} more` : names;
}

// Legend. -------------------------------------------------------------------------------------------------------------

function legendTitle() {
  if (!shown.compare) return `colour: ${data.fillTitle}`;
  const what = data.fillTitle.replace(` ${data.words}`, '');
  return `colour: ${what} at ${nameOf(shown.after)} over that at ${nameOf(shown.before)}`;
}

function paintLegend() {
  const cell = 40;
  const bar = draw('svg', {width: 13 * cell, height: 46, viewBox: `0 0 ${13 * cell} 46`, role: 'img'});
  const [low, middle, high] = shown.compare ? ['smaller', 'as before', 'larger'] : data.ends;
  bar.append(draw('title', {}, `colours: one per decade, from ${low} to ${high}`));
  const text = (x, y, ink, anchor, words) =>
    bar.append(draw('text', {x, y, class: `t-${ink}`, 'text-anchor': anchor, 'font-size': 12}, words));
  for (let k = -LIMIT; k <= LIMIT; k++) {
    bar.append(draw('rect', {x: (k + LIMIT) * cell, y: 0, width: cell, height: 15, class: `f-${role(k)}`}));
    const sign = {[-LIMIT]: '≤', [LIMIT]: '≥'}[k] || '';
    if (k % 3 === 0) text((k + LIMIT + 0.5) * cell, 28, 'ink', 'middle', sign + powerOfTen(k));
  }
  text(0, 43, 'cool', 'start', `← ${low}`);
  text(6.5 * cell, 43, 'muted', 'middle', middle);
  text(13 * cell, 43, 'warm', 'end', `${high} →`);
  byId('legend').replaceChildren(html('h2', {}, legendTitle()), ...(seen.state.swept ? [bar] : []), legendMarks());
}

function legendMarks() {
  const list = html('ul');
  const entry = (glyph, words) => list.append(html('li', {},
    draw('svg', {width: 24, height: 16, viewBox: '0 0 24 16', 'aria-hidden': 'true'}, ...glyph), words));
  const line = (dash, pen, ink = 'ink') =>
    [draw('path', {class: `s-${ink} ${dash}`, d: 'M1,8H23', fill: 'none', 'stroke-width': pen})];
  const shape = (kind, {fill, line: stroke, dash, pen}, w = 18, h = 13) => [draw('path', {
    class: `f-${fill} s-${stroke} ${dash}`, d: outline(kind, w, h), transform: 'translate(12,8)', 'stroke-width': pen,
  })];
  const plain = lookOf(UNSWEPT, 0);
  const unit = circles ? 'ellipse' : 'round';
  if (m && seen.state.swept) {
    const message = `gradient message ${data.noun === 'unit' ? 'w·δ' : '∂·g'}`;
    const word = data.line === 'message' ? message : data.lineTitle;
    entry([...line('', 0.7).map(p => (p.setAttribute('d', 'M1,8H11'), p)),
      ...line('', 4.5).map(p => (p.setAttribute('d', 'M13,8H23'), p))],
    shown.compare ? `edge: its ${word} now over that before (wide = large)` : `edge: ${word} (wide = large)`);
    if (!circles) {
      if (shown.compare) {
        entry(line('dashed', 1.6), 'sign changed');
      } else {
        entry(line('', 1.6), data.many ? 'positive weight' : 'positive');
        entry(line('dashed', 1.6), data.many ? 'negative weight' : 'negative');
      }
      entry(line('dotted', 1.6, 'faint'), 'exactly 0');
    } else if (isCrowded()) {
      entry([], `all but the ${data.limits.strongest} strongest edges are faded`);
    }
    if (circles && seen.edgeMarks.includes(DEAD)) entry([], 'edges that carry exactly 0 are not drawn');
  }
  entry(shape('box', plain, 14, 14), 'input');
  entry(shape(unit, plain, circles ? 14 : 18, circles ? 14 : 13), data.noun === 'unit' ? 'unit' : 'operation');
  if (nodes.kinds.includes(String(LOSS))) {
    entry([...shape('ellipse', plain, 14, 14), ...shape('ellipse', plain, 9, 9)], 'loss');
  }
  const letter = data.symbol;
  for (const [mark, words] of [[DEAD, `${letter} exactly 0 (dead)`], [NONFINITE, `${letter} is NaN or infinite`],
    [DETACHED, 'no path to the loss']]) {
    if (seen.marks.includes(mark)) entry(shape(mark === NONFINITE ? 'octagon' : unit, lookOf(mark, 0)), words);
  }
  if (seen.flipped && seen.flipped.some(Boolean)) {
    entry([...shape('ellipse', {...plain, pen: 1.2, line: 'ink'}, 11, 11),
      draw('text', {class: 't-ink', x: 12, y: 11.1, ...BADGE}, '±')], 'sign changed');
  }
  return list;
}

// Tables: the same in words. ------------------------------------------------------------------------------------------

const MARK_WORDS = [[DEAD, 'dead'], [NONFINITE, 'NaN/∞'], [DETACHED, 'no path']];

function fillLevelTable(statistics) {
  const rows = [];
  const marks = MARK_WORDS.filter(([mark]) => seen.marks.includes(mark));
  const classes = statistics.flatMap(s => [...s.bins.keys()]);
  const [low, high] = [Math.min(...classes), Math.max(...classes)];
  const span = classes.length ? Array.from({length: high - low + 1}, (_, k) => low + k) : [];
  const log = x => (x === undefined || Number.isNaN(x) ? '–' : signed(x, 2, true));
  for (const s of [...statistics].reverse()) {
    const numbers = [s.size.toLocaleString('en'), log(s.median), log(s.low), log(s.high)];
    const row = html('tr', {}, html('th', {scope: 'row'}, levelNames.get(s.level)),
      ...numbers.map(text => html('td', {}, text)));
    for (const k of span) {
      const found = s.bins.get(k) || 0;
      const className = found ? `bin t-i${role(k)} f-${role(k)}` : 'bin f-cell';
      row.append(html('td', {className}, found ? found.toLocaleString('en') : ''));
    }
    for (const [mark] of marks) row.append(html('td', {}, String(s.marks.get(mark) || '·')));
    rows.push(row);
  }
  const heads = ['level', `${data.noun}s`, 'median', 'min', 'max', ...span.map(binName), ...marks.map(mark => mark[1])];
  const head = html('tr', {}, ...heads.map(words => html('th', {scope: 'col'}, words)));
  const what = shown.compare ? legendTitle().replace(/^[^:]*: /, '') : data.fillTitle;
  byId('level-table').replaceChildren(
    html('caption', {}, `log10 of ${what}, and how many ${data.noun}s are in each decade`),
    html('thead', {}, head), html('tbody', {}, ...rows));
}

function fillNodeTable() {
  const order = Array.from({length: n}, (_, i) => i).sort((a, b) => nodes.levels[b] - nodes.levels[a] || a - b);
  const rows = order.map(i => html('tr', {},
    html('th', {scope: 'row'}, html('button', {type: 'button', onclick: () => select(i, true)}, nodes.names[i])),
    html('td', {className: 'left'}, nodes.ops[i] || (loss(i) ? 'loss' : 'input')),
    html('td', {className: 'left'}, levelNames.get(nodes.levels[i])),
    html('td', {}, number(seen.state.values[i])),
    html('td', {}, seen.state.marks[i] === UNSWEPT ? '–' : number(seen.state.gradients[i])),
    html('td', {}, seen.marks[i] === ALIVE ? signed(seen.decades[i], 1, true) : wordOf(i)),
    html('td', {}, seen.flipped && seen.flipped[i] ? '±' : '')));
  const heads = ['name', 'what', 'level', 'v', data.symbol, 'log10', 'sign'];
  byId('node-table').replaceChildren(
    html('caption', {}, `The loss first; log10 of ${shown.compare ? 'the change' : data.fillTitle}`),
    html('thead', {}, html('tr', {}, ...heads.map((words, k) =>
      html('th', {scope: 'col', className: k === 1 || k === 2 ? 'left' : ''}, words)))),
    html('tbody', {}, ...rows));
}

/** What the mark of a node is called. */
function wordOf(i) {
  return {[DEAD]: ['delta', 'gradient'].includes(data.fill) ? 'dead' : 'exactly 0', [NONFINITE]: 'not finite',
    [DETACHED]: 'no path', [UNSWEPT]: 'not run'}[seen.marks[i]] || '';
}

// Tips: what a pointer rests on. --------------------------------------------------------------------------------------

function nodeTip(i) {
  const {state} = seen;
  const title = nodes.names[i] + (nodes.ops[i] ? ` · ${nodes.ops[i]}` : '');
  const lines = [`v = ${number(state.values[i])}`];
  if (state.marks[i] === UNSWEPT) {
    lines.push(`${data.call} not run`);
  } else {
    lines.push(`${letterOf(i)} = ${number(state.gradients[i])}`, ...(extraWords(i) ? [extraWords(i)] : []));
    if (shown.compare) {
      lines.push(`before: ${number(seen.before.gradients[i])}`, ...(ratioWords(i) ? [ratioWords(i)] : []));
    } else if (seen.marks[i] === ALIVE) {
      lines.push(`log10 ${signed(seen.decades[i], 1, true)} ${data.words}`);
    }
    if (wordOf(i)) lines.push(wordOf(i));
  }
  lines.push(levelNames.get(nodes.levels[i]), ...connectionWords(i));
  if (shown.selected >= 0 && shown.selected !== i) lines.push(...shareWords(i));
  return {title, lines, at: i};
}

/** How many edges a node has, and which bring and take the most gradient. */
function connectionWords(i) {
  const words = [];
  for (const [list, what, end] of [[outgoing[i], 'outgoing', edges.target], [incoming[i], 'incoming', edges.source]]) {
    if (!list.length) continue;
    const first = strongestOf(list)[0];
    const strength = seen.lines.messages && seen.lines.swept
      ? `, strongest message ${what === 'outgoing' ? 'from' : 'to'} ${cut(nodes.names[end[first]], 40)}: `
        + number(seen.lines.messages[first])
      : '';
    words.push(`${list.length.toLocaleString('en')} ${what}${strength}`);
  }
  return words;
}

/** Edges by the size of their message, the largest first. */
function strongestOf(list) {
  const {messages} = seen.lines;
  const size = e => (messages && Number.isFinite(messages[e]) ? Math.abs(messages[e]) : messages ? Infinity : 0);
  return [...list].sort((a, b) => size(b) - size(a) || a - b);
}

function shareWords(i) {
  if (!seen.lines.messages) return [];
  const {down, up} = shown.paths;
  const name = cut(nodes.names[shown.selected], 40);
  const [owner, whose] = down.has(i) ? [shown.selected, name] : [i, 'it'];
  const onPath = down.has(i) || up.has(i);
  if (onPath && !(Math.abs(seen.lines.gradients[owner]) > 0)) return [`${whose} has no gradient to share`];
  if (down.has(i)) return [`${percent(shown.paths.share[i])} of ${name}’s gradient came through here`];
  if (up.has(i)) return [`${percent(shown.paths.share[i])} of its gradient came through ${name}`];
  return [`on no path with ${name}`];
}

function edgeTip(e) {
  const names = [edges.source[e], edges.target[e]].map(i => cut(nodes.names[i], 80));
  const lines = edgeLines(e);
  const {messages, swept} = seen.lines;
  if (swept && messages && data.noun === 'unit') lines.push(`message ${number(messages[e])}`);
  if (seen.lines !== seen.state) lines.push(`at ${nameOf(seen.lines.index)}`);
  return {title: names.join(' → '), lines, at: -1};
}

/** Shows a tip beside a node, or beside the pointer. */
function showTip({title, lines, at}, pointer = null) {
  tip.replaceChildren(html('b', {}, title), lines.join('\n'));
  tip.hidden = false;
  const box = stage.getBoundingClientRect();
  const [x, y, away] = pointer ? [pointer.x - box.left, pointer.y - box.top, 14]
    : [camera.x + camera.k * nodes.x[at], camera.y + camera.k * nodes.y[at], 12 + camera.k * nodes.w[at] / 2];
  const [w, h] = [tip.offsetWidth, tip.offsetHeight];
  const left = x + away + w < box.width ? x + away : x - away - w;
  tip.style.left = `${Math.max(left, 4)}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 8, box.height - h - 6))}px`;
}

function hover(i) {
  if (shown.hovered === i) return;
  if (shown.hovered >= 0) drawnNodes[shown.hovered].group.classList.remove('hovered');
  shown.hovered = i;
  if (i >= 0) drawnNodes[i].group.classList.add('hovered');
  if (i >= 0) showTip(nodeTip(i));
  else tip.hidden = true;
}

/** The edge nearest to a point of the picture, none further than a few pixels; -1 if there is none. */
function edgeAt(x, y) {
  let [best, nearest] = [-1, (6 / camera.k) ** 2];
  for (let e = 0; e < m; e++) {
    const points = polylineOf(e);
    for (let k = 2; k < points.length; k += 2) {
      const off = squaredDistance(x, y, points[k - 2], points[k - 1], points[k], points[k + 1]);
      if (off < nearest) [best, nearest] = [e, off];
    }
  }
  return best;
}

const polylines = new Map();

/** An edge as a chain of straight pieces: x, y, x, y, ... */
function polylineOf(e) {
  if (polylines.has(e)) return polylines.get(e);
  const ends = i => [nodes.x[i], nodes.y[i]];
  let points = [...ends(edges.source[e]), ...ends(edges.target[e])];
  if (edges.curves[e]) {
    const c = edges.curves[e].match(/-?[\d.]+/g).map(Number);
    points = c.slice(0, 2);
    for (let k = 0; k + 7 < c.length; k += 6) {
      for (let j = 1; j <= 8; j++) {
        const [t, s] = [j / 8, 1 - j / 8];
        const weights = [s ** 3, 3 * s * s * t, 3 * s * t * t, t ** 3]; // of a cubic Bezier curve
        const at = o => weights.reduce((sum, weight, p) => sum + weight * c[k + o + 2 * p], 0);
        points.push(at(0), at(1));
      }
    }
  }
  polylines.set(e, points);
  return points;
}

function squaredDistance(x, y, ax, ay, bx, by) {
  const [dx, dy] = [bx - ax, by - ay];
  const along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1);
  const t = Math.min(Math.max(along, 0), 1);
  return (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2;
}

// The paths of a selected node. ---------------------------------------------------------------------------------------

/**
 * The nodes on paths with node i: `down` those that it feeds, which its gradient came through, `up` those that feed it.
 * `share` says of a node below i which share of i's gradient came through it, of one above i which share of that node's
 * gradient came through i. A node's gradient is the sum of the messages of its outgoing edges; by path attribution each
 * counts by its absolute size, as in visualize/verdict.py.
 */
function pathsOf(i) {
  const share = new Float64Array(n);
  const edgeShare = new Map();
  const reach = (lists, end) => {
    const found = new Set();
    const todo = [i];
    while (todo.length) {
      for (const e of lists[todo.pop()]) {
        if (!found.has(end[e])) {
          found.add(end[e]);
          todo.push(end[e]);
        }
      }
    }
    return found;
  };
  const down = reach(outgoing, edges.target);
  const up = reach(incoming, edges.source);
  const byLevel = set => [...set].sort((a, b) => nodes.levels[a] - nodes.levels[b] || a - b);
  share[i] = 1;
  for (const j of [i, ...byLevel(down)]) {
    for (const [e, part] of partsOf(outgoing[j])) {
      edgeShare.set(e, share[j] * part);
      share[edges.target[e]] += share[j] * part;
    }
  }
  for (const j of byLevel(up).reverse()) {
    for (const [e, part] of partsOf(outgoing[j])) {
      const t = edges.target[e];
      if (t !== i && !up.has(t)) continue;
      edgeShare.set(e, share[t] * part);
      share[j] += share[t] * part;
    }
  }
  // Of a gradient that is 0 or no number there are no shares.
  const {gradients} = seen.lines;
  const hasNone = j => gradients[j] === 0 || !Number.isFinite(gradients[j]);
  if (hasNone(i)) for (const j of [i, ...down]) share[j] = 0;
  for (const j of up) if (hasNone(j)) share[j] = 0;
  return {down, up, share, edgeShare};
}

/** The part that each edge has in the absolute flow of them all. */
function partsOf(list) {
  const {messages} = seen.lines;
  const sizes = list.map(e => (messages && Number.isFinite(messages[e]) ? Math.abs(messages[e]) : 0));
  const largest = Math.max(...sizes);
  const scaled = sizes.map(x => (largest > 0 ? x / largest : 0)); // so that the sum neither overflows nor vanishes
  const total = scaled.reduce((a, b) => a + b, 0);
  return list.map((e, k) => [e, total > 0 ? scaled[k] / total : 0]);
}

function paintSelection() {
  const i = shown.selected;
  shown.paths = i >= 0 ? pathsOf(i) : null;
  layers.edges.classList.toggle('shaded', i >= 0);
  for (const label of layers.labels.children) {
    label.classList.toggle('shaded', i >= 0 && !shown.paths.edgeShare.has(Number(label.dataset.edge)));
  }
  const onPath = j => i < 0 || j === i || shown.paths.down.has(j) || shown.paths.up.has(j);
  for (let j = 0; j < n; j++) {
    drawnNodes[j].group.classList.toggle('shaded', !onPath(j));
    drawnNodes[j].group.classList.toggle('selected', j === i);
  }
  if (i < 0) {
    layers.paths.replaceChildren();
    layers.shares.replaceChildren();
    panel.hidden = true;
    return;
  }
  const {edgeShare} = shown.paths;
  const list = [...edgeShare.keys()].sort((a, b) => edgeShare.get(a) - edgeShare.get(b) || a - b);
  if (circles) paintTogether(layers.paths, list, e => 0.1 + 0.9 * Math.sqrt(edgeShare.get(e)));
  else paintEach(layers.paths, list);
  paintShares();
  fillPanel(i);
}

/** Writes shares over the nodes of the paths, in the circles view over those that carry the most. */
function paintShares() {
  const {down, up, share} = shown.paths;
  if (!seen.state.swept || !seen.lines.messages) {
    layers.shares.replaceChildren();
    return;
  }
  const [least, most] = circles ? [0.1, 16] : [0.005, 60];
  const all = [...up, ...down].filter(j => share[j] >= least && !(loss(j) && data.noun === 'unit'));
  const list = all.sort((a, b) => share[b] - share[a] || a - b).slice(0, most);
  // Beside a circle, since over it there is the name of the next one in its column.
  layers.shares.replaceChildren(...list.map(j => draw('text', {
    class: `share ${up.has(j) ? 't-cool' : 't-warm'}`,
    ...(circles ? {x: nodes.x[j] + nodes.w[j] / 2 + 3, y: nodes.y[j] + 2.8, 'font-size': 8}
      : {x: nodes.x[j], y: nodes.y[j] - nodes.h[j] / 2 - 4, 'text-anchor': 'middle', 'font-size': 10}),
  }, percent(share[j]))));
}

/** Fills the card of the selected node: its numbers, and its neighbours by the size of their messages. */
function fillPanel(i) {
  const {title, lines} = nodeTip(i);
  const close = html('button', {type: 'button', className: 'close', title: 'Let go (Escape)'}, '×');
  close.addEventListener('click', () => select(-1));
  close.setAttribute('aria-label', 'Let go of the node');
  const facts = lines.filter(line => !/ (outgoing|incoming)/.test(line)).map(line => html('p', {}, line));
  const {down, up} = shown.paths;
  panel.replaceChildren(close, html('h2', {}, title), ...facts,
    ...neighbours('its gradient came from', outgoing[i], edges.target),
    ...neighbours('it sends gradient to', incoming[i], edges.source),
    html('h3', {}, `on its paths: ${count(up.size, 'node')} before it, ${count(down.size, 'node')} after it; `
      + 'percentages over nodes: before it, the share of their gradient that came through it; after it, the share of '
      + 'its own that came through them (of absolute flow)'));
  panel.hidden = false;
}

function neighbours(words, list, end, most = 8) {
  if (!list.length) return [];
  const parts = new Map(partsOf(list));
  const rows = strongestOf(list).slice(0, most).map(e => {
    const {messages, swept} = seen.lines;
    const share = end === edges.target && parts.get(e) > 0 ? ` · ${percent(parts.get(e))}` : '';
    const numbers = messages && swept ? number(messages[e]) + share : '';
    return html('li', {}, html('button', {type: 'button', onclick: () => select(end[e], true)},
      html('span', {}, cut(nodes.names[end[e]], 60)), html('span', {className: 'number'}, numbers)));
  });
  const more = list.length - rows.length;
  return [html('h3', {}, `${words} (${list.length.toLocaleString('en')})`), html('ul', {}, ...rows),
    ...(more > 0 ? [html('p', {className: 'number'}, `and ${more.toLocaleString('en')} weaker`)] : [])];
}

/** Selects a node, or none (-1), and brings it into view. */
function select(i, centre = false) {
  const wasWhole = isWhole;
  shown.selected = i;
  hover(-1);
  tip.hidden = true;
  paintSelection();
  // The card of the node takes room beside the picture, so that it hides nothing of it.
  if (wasWhole) frame();
  if (i < 0) {
    say('no node selected');
    return;
  }
  if (centre) lookAt(nodes.x[i], nodes.y[i]);
  const {title, lines} = nodeTip(i);
  say([title, ...lines].join('; '));
}

// The camera. ---------------------------------------------------------------------------------------------------------

/** A point (x, y) of the picture is at (camera.x + k x, camera.y + k y) in the stage. */
const camera = {x: 0, y: 0, k: 1};
const MOST_ZOOM = 12;
const MOST_WHOLE = 1.5; // a small picture is not blown up
let wholeZoom = 1;
/** Whether the reader sees all of the picture, and has not moved it. */
let isWhole = true;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

/** The part of the plane that the picture fills. */
function bounds() {
  if (!isGraph) return {left: 0, top: 0, width: data.width, height: data.height};
  const gutter = stripHeight() ? 96 : 0;
  const above = stripHeight();
  const margin = 14;
  return {
    left: -gutter - margin,
    top: -above - margin,
    width: data.width + gutter + 2 * margin,
    height: data.height + above + 2 * margin,
  };
}

/** Makes the stage as high as the picture needs, and shows all of it. */
function fit() {
  const {width, height} = bounds();
  reserveVerdict();
  // What is moved with the slider is to be seen along with it.
  const most = Math.max(280, window.innerHeight - stage.offsetTop - byId('controls').offsetHeight - 30);
  const k = Math.min(stage.clientWidth / width, MOST_WHOLE);
  stage.style.setProperty('--high', `${Math.round(Math.min(Math.max(height * k, 240), most))}px`);
  frame();
}

/** Shows all of the picture in the stage as it is. */
function frame() {
  const {left, top, width, height} = bounds();
  const [wide, high] = [svg.clientWidth, svg.clientHeight];
  const k = Math.min(wide / width, high / height, MOST_WHOLE);
  wholeZoom = k;
  place((wide - k * width) / 2 - k * left, (high - k * height) / 2 - k * top, k);
  isWhole = true;
}

function place(x, y, k) {
  Object.assign(camera, {x, y, k});
  isWhole = false;
  world.setAttribute('transform', `translate(${x.toFixed(2)},${y.toFixed(2)}) scale(${k.toFixed(4)})`);
  if (circles) paintNames();
  if (shown.hovered >= 0) showTip(nodeTip(shown.hovered));
}

function pan(dx, dy) {
  place(camera.x + dx, camera.y + dy, camera.k);
}

/** Zooms by a factor around a point of the stage, by default its middle. */
function zoom(factor, x = svg.clientWidth / 2, y = svg.clientHeight / 2) {
  const k = Math.min(Math.max(camera.k * factor, wholeZoom / 2), MOST_ZOOM);
  const ratio = k / camera.k;
  place(x - ratio * (x - camera.x), y - ratio * (y - camera.y), k);
}

/** Moves a point of the picture to the middle of the stage, close enough to read it. */
function lookAt(x, y) {
  const k = Math.max(camera.k, circles ? 1.6 : 0.9);
  const goal = {x: svg.clientWidth / 2 - k * x, y: svg.clientHeight / 2 - k * y, k};
  if (calm.matches) {
    place(goal.x, goal.y, goal.k);
    return;
  }
  const [start, from] = [performance.now(), {...camera}];
  const move = now => {
    const t = Math.min((now - start) / 220, 1);
    const ease = t * (2 - t);
    place(from.x + ease * (goal.x - from.x), from.y + ease * (goal.y - from.y), from.k + ease * (goal.k - from.k));
    if (t < 1) requestAnimationFrame(move);
  };
  requestAnimationFrame(move);
}

/** Writes names beside the circles that are in sight, once they are far enough apart. */
function paintNames() {
  const inSight = i => {
    const [x, y] = [camera.x + camera.k * nodes.x[i], camera.y + camera.k * nodes.y[i]];
    return x > -20 && y > -20 && x < svg.clientWidth + 20 && y < svg.clientHeight + 20;
  };
  const list = camera.k < 1.55 ? [] : nodes.names.map((_, i) => i).filter(inSight);
  layers.names.replaceChildren(...(list.length > 160 ? [] : list).map(i => draw('text', {
    class: 't-ink', x: nodes.x[i], y: nodes.y[i] + nodes.h[i] / 2 + 7, 'text-anchor': 'middle', 'font-size': 6.5,
  }, cut(nodes.names[i], 16))));
}

// Pointers: drag to move, pinch or turn the wheel to zoom, click to select. -------------------------------------------

function listenToPointers() {
  const down = new Map();
  let moved = 0;
  const inWindow = event => ({x: event.clientX, y: event.clientY});
  const inStage = event => {
    const box = stage.getBoundingClientRect();
    return {x: event.clientX - box.left, y: event.clientY - box.top};
  };
  svg.addEventListener('wheel', event => {
    event.preventDefault();
    const {x, y} = inStage(event);
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
    zoom(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0016)), x, y);
  }, {passive: false});
  svg.addEventListener('pointerdown', event => {
    if (event.pointerType === 'mouse' && event.button !== 0) return;
    down.set(event.pointerId, inWindow(event));
    if (down.size === 1) moved = 0;
  });
  svg.addEventListener('pointermove', event => {
    const before = down.get(event.pointerId);
    if (!before) {
      rest(event, inStage(event));
      return;
    }
    const now = inWindow(event);
    if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)[1];
      const box = stage.getBoundingClientRect();
      const spread = Math.hypot(now.x - other.x, now.y - other.y) / Math.hypot(before.x - other.x, before.y - other.y);
      zoom(spread, (now.x + other.x) / 2 - box.left, (now.y + other.y) / 2 - box.top);
      moved = Infinity;
    } else {
      moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
      // The picture takes the pointer only once it is dragged, so that a click reaches the node under it.
      if (moved > 4) {
        svg.setPointerCapture(event.pointerId);
        svg.classList.add('dragged');
        pan(now.x - before.x, now.y - before.y);
      }
    }
    down.set(event.pointerId, now);
  });
  const release = event => {
    down.delete(event.pointerId);
    svg.classList.remove('dragged');
  };
  svg.addEventListener('pointerup', release);
  svg.addEventListener('pointercancel', release);
  svg.addEventListener('pointerleave', () => {
    if (isGraph) hover(-1);
    tip.hidden = true;
  });
  svg.addEventListener('click', event => {
    if (!isGraph || moved > 4) return;
    const node = event.target.closest('[data-node]');
    select(node ? Number(node.dataset.node) : -1);
  });
}

/** A pointer rests on a place of the stage: shows what is there. */
function rest(event, {x, y}) {
  if (!isGraph) return;
  const node = event.target.closest('[data-node]');
  if (node) {
    hover(Number(node.dataset.node));
    return;
  }
  hover(-1);
  const e = edgeAt((x - camera.x) / camera.k, (y - camera.y) / camera.k);
  if (e >= 0) showTip(edgeTip(e), {x: event.clientX, y: event.clientY});
  else tip.hidden = true;
}

// Keys. ---------------------------------------------------------------------------------------------------------------

const ARROWS = {ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};

function listenToKeys() {
  svg.addEventListener('keydown', event => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (!answer(event)) return;
    event.preventDefault();
  });
  document.addEventListener('keydown', event => {
    const typing = event.target.closest('input, select, textarea');
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      byId('search').focus();
    }
    if (event.key === 'Escape' && !typing && isGraph && shown.selected >= 0) select(-1);
  });
}

/** Does what a key in the picture asks for; says whether it asks for anything. */
function answer(event) {
  if (event.key in ARROWS) {
    const [dx, dy] = ARROWS[event.key];
    if (event.shiftKey && isGraph) walk(event.key);
    else pan(60 * dx, 60 * dy);
  } else if (event.key === '+' || event.key === '=') {
    zoom(1.25);
  } else if (event.key === '-') {
    zoom(0.8);
  } else if (event.key === '0') {
    fit();
  } else if (event.key === 'Enter' && isGraph && n) {
    select(shown.selected >= 0 ? shown.selected : nearestToMiddle(), true);
  } else {
    return false;
  }
  return true;
}

/** Goes from the selected node along its strongest edge, or to the next node of its level. */
function walk(key) {
  const i = shown.selected;
  if (i < 0) {
    if (n) select(nearestToMiddle(), true);
    return;
  }
  let next = i;
  if (key === 'ArrowLeft' && incoming[i].length) next = edges.source[strongestOf(incoming[i])[0]];
  if (key === 'ArrowRight' && outgoing[i].length) next = edges.target[strongestOf(outgoing[i])[0]];
  if (key === 'ArrowUp' || key === 'ArrowDown') {
    const column = nodes.levels.map((level, j) => [level, j]).filter(([level]) => level === nodes.levels[i])
      .map(([, j]) => j).sort((a, b) => nodes.y[a] - nodes.y[b] || a - b);
    const row = column.indexOf(i) + (key === 'ArrowUp' ? -1 : 1);
    next = column[Math.min(Math.max(row, 0), column.length - 1)];
  }
  select(next, true);
}

function nearestToMiddle() {
  const [x, y] = [(svg.clientWidth / 2 - camera.x) / camera.k, (svg.clientHeight / 2 - camera.y) / camera.k];
  let best = 0;
  const off = i => (nodes.x[i] - x) ** 2 + (nodes.y[i] - y) ** 2;
  for (let i = 1; i < n; i++) if (off(i) < off(best)) best = i;
  return best;
}

// Search. -------------------------------------------------------------------------------------------------------------

const MOST_FOUND = 10;

/** What can be found: {name, where, go}. In a picture without nodes these are its groups. */
function findable() {
  if (isGraph) {
    return nodes.names.map((name, i) => ({name, where: levelNames.get(nodes.levels[i]), go: () => select(i, true)}));
  }
  const titled = [...world.querySelectorAll('g[id]')].filter(group => group.querySelector(':scope > title'));
  return titled.map(group => {
    const [name, where = ''] = group.querySelector(':scope > title').textContent.split('\n');
    return {name, where, go: () => {
      const box = group.getBBox();
      lookAt(box.x + box.width / 2, box.y + box.height / 2);
      say(group.querySelector(':scope > title').textContent.replaceAll('\n', '; '));
    }};
  });
}

function listenToSearch() {
  const [input, list] = [byId('search'), byId('results')];
  const all = findable();
  document.querySelector('.search').hidden = !all.length;
  let found = [];
  let chosen = 0;

  const close = () => {
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  };
  const choose = k => {
    chosen = k;
    for (const [j, option] of [...list.querySelectorAll('[role="option"]')].entries()) {
      option.setAttribute('aria-selected', String(j === k));
    }
    input.setAttribute('aria-activedescendant', `result-${k}`);
  };
  const go = k => {
    close();
    found[k].go();
  };
  const search = () => {
    const wanted = input.value.trim().toLowerCase();
    if (!wanted) {
      close();
      return;
    }
    // An exact name first, then names that begin so, then those that contain it.
    const rank = name => (name === wanted ? 0 : name.startsWith(wanted) ? 1 : 2);
    const matches = all.filter(({name}) => name.toLowerCase().includes(wanted))
      .sort((a, b) => rank(a.name.toLowerCase()) - rank(b.name.toLowerCase()));
    found = matches.slice(0, MOST_FOUND);
    const options = found.map(({name, where}, k) => {
      const option = html('li', {id: `result-${k}`, role: 'option'},
        html('span', {className: 'name'}, name), html('span', {className: 'where'}, where));
      option.addEventListener('pointerdown', event => event.preventDefault()); // the focus stays in the field
      option.addEventListener('click', () => go(k));
      return option;
    });
    const more = matches.length - found.length;
    const note = !matches.length ? 'nothing of this name' : more ? `and ${more.toLocaleString('en')} more` : '';
    const last = html('li', {className: 'where', role: 'presentation'}, note);
    list.replaceChildren(...options, ...(note ? [last] : []));
    list.hidden = false;
    input.setAttribute('aria-expanded', 'true');
    if (found.length) choose(0);
    say(matches.length ? `${count(matches.length, 'result')}` : note);
  };

  input.addEventListener('input', search);
  input.addEventListener('focus', search);
  input.addEventListener('blur', close);
  input.addEventListener('keydown', event => {
    if (event.key === 'Escape') {
      input.value = '';
      close();
    } else if (list.hidden || !found.length) {
      if (event.key === 'Enter') search();
    } else if (event.key === 'Enter') {
      go(chosen);
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      choose((chosen + (event.key === 'ArrowDown' ? 1 : found.length - 1)) % found.length);
    }
  });
}

// Steps and their comparison. -----------------------------------------------------------------------------------------

const EVERY_STEP = 450; // milliseconds of a step while the steps play
let playing = 0;

function listenToSteps() {
  const many = steps.length > 1;
  byId('controls').hidden = data.states.length < 2;
  byId('time').hidden = !many;
  byId('comparison').hidden = data.states.length < 2;
  const slider = byId('step');
  slider.max = steps.length - 1;
  slider.value = shown.step;
  slider.addEventListener('input', () => {
    pause();
    goTo(Number(slider.value));
  });
  byId('play').addEventListener('click', () => (playing ? pause() : play()));
  for (const id of ['before', 'after']) {
    byId(id).append(...data.states.map((state, k) => html('option', {value: String(k)}, state.label)));
    byId(id).value = String(shown[id]);
    byId(id).addEventListener('change', () => {
      shown[id] = Number(byId(id).value);
      if (id === 'after' && steps.includes(shown.after)) shown.step = shown.after;
      compare(true);
    });
  }
  byId('compare').addEventListener('change', event => {
    shown.after = shown.step;
    compare(event.target.checked);
  });
}

/** Shows a step; in a comparison, what has changed until then. */
function goTo(k) {
  shown.step = k;
  shown.after = k;
  byId('after').value = String(k);
  describeStep();
  paint();
}

/** Draws the loss over the steps above the slider, on a log scale if it is positive. */
function paintLoss() {
  const losses = steps.map(k => stateOf(k).loss);
  const finite = losses.filter(x => x !== null && Number.isFinite(x));
  if (finite.length < 2) return;
  const scale = Math.min(...finite) > 0 ? Math.log10 : x => x;
  const [low, high] = [scale(Math.min(...finite)), scale(Math.max(...finite))];
  const last = steps.length - 1;
  let path = '';
  let pen = 'M';
  for (const [k, x] of losses.entries()) {
    const known = x !== null && Number.isFinite(x);
    if (known) {
      const [along, up] = [100 * k / last, 24 * (scale(x) - low) / (high - low || 1)];
      path += `${pen}${along.toFixed(2)},${(27 - up).toFixed(2)}`;
    }
    pen = known ? 'L' : 'M';
  }
  byId('loss').append(draw('path', {class: 's-muted', d: path, fill: 'none', 'stroke-width': 1.5,
    'vector-effect': 'non-scaling-stroke'}));
  byId('loss').removeAttribute('hidden');
}

function describeStep() {
  const {label, loss: reached} = stateOf(shown.step);
  const where = `${label}  ·  ${shown.step + 1} of ${steps.length}`;
  const words = reached === null ? where : `${where}  ·  loss ${number(reached)}`;
  byId('step').value = String(shown.step);
  byId('step').setAttribute('aria-valuetext', words);
  byId('step-label').textContent = words;
}

function compare(on) {
  shown.compare = on;
  byId('compare').checked = on;
  byId('after').value = String(shown.after);
  describeStep();
  paint();
  if (circles) fit();
  say(byId('verdict').textContent);
}

function play() {
  if (shown.step === steps.length - 1) goTo(0);
  playing = window.setInterval(() => {
    if (shown.step === steps.length - 1) pause();
    else goTo(shown.step + 1);
  }, EVERY_STEP);
  setPlayButton('❚❚', 'Pause');
}

function pause() {
  window.clearInterval(playing);
  playing = 0;
  setPlayButton('▶', 'Play the steps');
}

function setPlayButton(sign, words) {
  byId('play').textContent = sign;
  byId('play').setAttribute('aria-label', words);
}

// Light and dark. -----------------------------------------------------------------------------------------------------

function listenToTheme() {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : system.matches);
  const describe = () => {
    byId('theme').textContent = isDark() ? 'light' : 'dark';
    byId('theme').setAttribute('aria-label', `Make the page ${isDark() ? 'light' : 'dark'}`);
  };
  byId('theme').addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    describe();
  });
  system.addEventListener('change', describe);
  describe();
}

// Start. --------------------------------------------------------------------------------------------------------------

function start() {
  for (const element of document.querySelectorAll('.toolbar, #stage, #keys')) element.hidden = false;
  if (isGraph) {
    for (const id of ['legend', 'levels', 'nodes']) byId(id).hidden = false;
    shown.step = steps.length - 1;
    shown.after = shown.step;
    shown.before = data.states.length > steps.length ? data.states.length - 1 : 0;
    shown.compare = data.compare;
    makeLayers();
    listenToSteps();
    byId('compare').checked = shown.compare;
    describeStep();
    if (steps.length > 1) paintLoss();
    paint();
    byId('nodes').addEventListener('toggle', () => byId('nodes').open && fillNodeTable());
    byId('levels').open = true;
  } else {
    document.body.classList.add('bare'); // the picture has the title and the verdict
    byId('node-keys').hidden = true;
    byId('search').placeholder = 'Find a group';
    byId('search').setAttribute('aria-label', 'Find a group by its name');
  }
  byId('zoom-in').addEventListener('click', () => zoom(1.25));
  byId('zoom-out').addEventListener('click', () => zoom(0.8));
  byId('zoom-fit').addEventListener('click', fit);
  listenToPointers();
  listenToKeys();
  listenToSearch();
  listenToTheme();
  fit();
  let width = stage.clientWidth;
  window.addEventListener('resize', () => {
    if (stage.clientWidth !== width) fit();
    width = stage.clientWidth;
  });
}

start();
