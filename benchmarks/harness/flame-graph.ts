/** What of a CPU profile of V8 is read: the tree of calls, and how long (microseconds) each sample stands for. */
export type CpuProfile = Readonly<{
  nodes: readonly Readonly<{ id: number; callFrame: Readonly<{ functionName: string; url: string; lineNumber: number }>; children?: readonly number[] }>[]
  samples: readonly number[]
  timeDeltas: readonly number[]
}>

type Frame = { name: string; selfUs: number; totalUs: number; children: Map<string, Frame> }

const [WIDTH, ROW, LEAST_PX, DEPTH_MAX] = [1200, 16, 2, 60]
const CHAR_PX = 6.5
/**
 * Returns an SVG of a CPU profile: a box per function, as wide as its share of the time in which the thread worked, what it called above it. The
 * calls of a function from the same place are one box; a box under two pixels is left out, and what is more than 60 calls deep. A title shows name, place and share.
 */
export function flameGraph(profile: CpuProfile, title: string): string {
  const root = rootOf(profile)
  const depth = depthOf(root, root.totalUs)
  const height = (depth + 2) * ROW
  const boxes: string[] = []
  draw(root, { x: 0, level: 0 }, { boxes, totalUs: root.totalUs, height })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="monospace" font-size="11">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="4" y="12">${escapeXml(`${title}: ${Math.round(root.totalUs / 1000)} ms of work`)}</text>`,
    ...boxes,
    '</svg>\n',
  ].join('\n')
}

/** Adds up the samples: of each call chain its own time and that of what it called. */
function rootOf({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const selfUs = new Map<number, number>()
  for (const [at, id] of samples.entries()) selfUs.set(id, (selfUs.get(id) ?? 0) + Math.max(timeDeltas[at] as number, 0))
  const add = (id: number, into: Frame): void => {
    const { callFrame, children = [] } = byId.get(id) as CpuProfile['nodes'][number]
    // Time in which the thread waited is none of its work.
    if (callFrame.functionName === '(idle)') return
    const name = nameOf(callFrame)
    const frame = into.children.get(name) ?? newFrame(name)
    into.children.set(name, frame)
    frame.selfUs += selfUs.get(id) ?? 0
    for (const child of children) add(child, frame)
  }
  const root = newFrame('all')
  for (const child of (nodes[0] as CpuProfile['nodes'][number]).children ?? []) add(child, root)
  sum(root)
  return root
}

function newFrame(name: string): Frame {
  return { name, selfUs: 0, totalUs: 0, children: new Map() }
}

function sum(frame: Frame): number {
  frame.totalUs = frame.selfUs
  for (const child of frame.children.values()) frame.totalUs += sum(child)
  return frame.totalUs
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const place = url === '' ? '' : ` ${url.replace(/^file:\/\//, '').split('/').slice(-3).join('/')}:${lineNumber + 1}`
  return `${functionName === '' ? '(anonymous)' : functionName}${place}`
}

function widthOf({ totalUs }: Frame, allUs: number): number {
  return (totalUs / allUs) * WIDTH
}

function depthOf(frame: Frame, allUs: number): number {
  const shown = [...frame.children.values()].filter((child) => widthOf(child, allUs) >= LEAST_PX)
  return Math.min(DEPTH_MAX, 1 + Math.max(0, ...shown.map((child) => depthOf(child, allUs))))
}

type Place = Readonly<{ x: number; level: number }>
type Drawing = Readonly<{ boxes: string[]; totalUs: number; height: number }>

function draw(frame: Frame, { x, level }: Place, drawing: Drawing): void {
  const { boxes, totalUs, height } = drawing
  const width = widthOf(frame, totalUs)
  const y = height - (level + 1) * ROW
  const share = ((frame.totalUs / totalUs) * 100).toFixed(1)
  const label = frame.name.slice(0, Math.floor(width / CHAR_PX))
  boxes.push(
    `<g><title>${escapeXml(`${frame.name} ${share} %`)}</title><rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colourOf(frame.name)}"/>`,
    `${label.length < 3 ? '' : `<text x="${(x + 2).toFixed(1)}" y="${y + 11}">${escapeXml(label)}</text>`}</g>`,
  )
  let at = x
  for (const child of [...frame.children.values()].toSorted((a, b) => b.totalUs - a.totalUs)) {
    if (widthOf(child, totalUs) >= LEAST_PX && level + 1 < DEPTH_MAX) draw(child, { x: at, level: level + 1 }, drawing)
    at += widthOf(child, totalUs)
  }
}

/** Ours are green, Node's blue, libraries yellow, and what has no place in a file (garbage collection, C++) red. */
function colourOf(name: string): string {
  if (/ (?:[^ ]*\/)?(?:server|formats|sdk)\/[^ ]*:\d+$/.test(name)) return '#8c8'
  if (/ node:/.test(name)) return '#9bd'
  return /:\d+$/.test(name) ? '#dd8' : '#e99'
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
