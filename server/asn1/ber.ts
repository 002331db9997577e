/** What is wrong with bytes that should be BER. */
export class BerError extends Error {
  override readonly name = 'BerError'
}

/**
 * One element: `tag` is its identifier octet, `raw` all its bytes, `content` those behind the length; `children` are the elements in the
 * content of a constructed one. Nothing is copied: all are windows into what was parsed.
 */
export type BerElement = Readonly<{ tag: number; raw: Buffer; content: Buffer; children: readonly BerElement[] }>

/** The identifier octets that occur in a keystore. `explicit` and `implicit` are [0], constructed and primitive. */
export const TAG = { integer: 0x02, octets: 0x04, octetsInParts: 0x24, oid: 0x06, text16: 0x1e, sequence: 0x30, set: 0x31, explicit: 0xa0, implicit: 0x80 } as const

const CONSTRUCTED = 0x20
const HIGH_TAG_NUMBER = 0x1f
const END_OF_CONTENT = 0
const DEPTH_MAX = 32

/**
 * Parses bytes that are exactly one BER element, with lengths definite or not: not every program writes keystores in DER.
 * @throws BerError for anything that is cut off, longer, nested more than 32 deep, or has a tag number above 30
 * @see ITU-T X.690, sections 8.1.2 to 8.1.5
 */
export function parseBer(bytes: Buffer): BerElement {
  const element = parseElement(bytes, DEPTH_MAX)
  if (element.raw.length !== bytes.length) throw new BerError('there are bytes behind the element')
  return element
}

function parseElement(bytes: Buffer, depth: number): BerElement {
  if (depth === 0) throw new BerError('the elements are nested too deep')
  const [tag, first] = bytes
  if (tag === undefined || first === undefined) throw new BerError('the element is cut off')
  if ((tag & HIGH_TAG_NUMBER) === HIGH_TAG_NUMBER) throw new BerError('the tag number is too high')
  if (first === 0x80) return parseIndefinite(bytes, depth)
  const start = first < 0x80 ? 2 : 2 + (first & 0x7f)
  const end = start + lengthAt(bytes, first)
  if (end > bytes.length) throw new BerError('the element is cut off')
  const content = bytes.subarray(start, end)
  return { tag, raw: bytes.subarray(0, end), content, children: (tag & CONSTRUCTED) === 0 ? [] : parseAll(content, depth - 1) }
}

function lengthAt(bytes: Buffer, first: number): number {
  if (first < 0x80) return first
  const count = first & 0x7f
  if (count > 4 || bytes.length < 2 + count) throw new BerError('the length is cut off or too large')
  return bytes.readUIntBE(2, count)
}

function parseAll(content: Buffer, depth: number): readonly BerElement[] {
  const elements: BerElement[] = []
  for (let at = 0; at < content.length;) {
    const element = parseElement(content.subarray(at), depth)
    elements.push(element)
    at += element.raw.length
  }
  return elements
}

function parseIndefinite(bytes: Buffer, depth: number): BerElement {
  const tag = bytes[0] as number
  if ((tag & CONSTRUCTED) === 0) throw new BerError('only a constructed element may have no length')
  const children: BerElement[] = []
  let at = 2
  for (;;) {
    const element = parseElement(bytes.subarray(at), depth - 1)
    at += element.raw.length
    if (element.tag === END_OF_CONTENT) return { tag, raw: bytes.subarray(0, at), content: bytes.subarray(2, at - element.raw.length), children }
    children.push(element)
  }
}

/** Returns the child of an element at a position, when it is there and has this tag. @throws BerError */
export function childOf({ children }: BerElement, position: number, tag: number): BerElement {
  const child = children[position]
  if (child?.tag !== tag) throw new BerError(`element ${position} is not what it should be`)
  return child
}

/** Returns an OBJECT IDENTIFIER as text such as `1.2.840.113549.1.7.1`. @throws BerError @see ITU-T X.690, section 8.19 */
export function oidOf({ tag, content }: BerElement): string {
  const last = content.at(-1)
  if (tag !== TAG.oid || last === undefined || last >= 0x80) throw new BerError('there is no object identifier where one should be')
  const arcs: number[] = []
  let arc = 0
  for (const byte of content) {
    arc = arc * 0x80 + (byte & 0x7f)
    if (!Number.isSafeInteger(arc)) throw new BerError('the object identifier is too long')
    if (byte >= 0x80) continue
    arcs.push(arc)
    arc = 0
  }
  // The first two arcs share a number: 40 times the one, which is at most 2, and the other.
  const [both = 0, ...others] = arcs
  const first = Math.min(2, Math.floor(both / 40))
  return [first, both - 40 * first, ...others].join('.')
}

/** Returns the value of an INTEGER that is not negative; one that is larger than a safe integer is Infinity. @throws BerError */
export function integerOf({ tag, content }: BerElement): number {
  if (tag !== TAG.integer || content.length === 0 || content.readInt8(0) < 0) throw new BerError('there is no positive integer where one should be')
  const value = Number(BigInt(`0x${content.toString('hex')}`))
  return Number.isSafeInteger(value) ? value : Infinity
}

/** Returns the bytes of an OCTET STRING, also of one in parts, or of one under the tag [0]. @throws BerError */
export function octetsOf({ tag, content, children }: BerElement): Buffer {
  if (tag === TAG.octets || tag === TAG.implicit) return content
  if (tag !== TAG.octetsInParts && tag !== TAG.explicit) throw new BerError('there are no octets where some should be')
  return Buffer.concat(children.map(octetsOf))
}
