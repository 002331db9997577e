import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import type { Place } from './fault.ts'
import { PRINTABLE, type PathRole } from './schema-parts.ts'

/** Told of every fault, and of every path with what it is for. */
export type Listener = Readonly<{
  fault: (place: Place, message: string) => void
  path: (place: Place, role: PathRole, value: string) => string
}>

/** A JSON Schema of this configuration, as far as it is read here. */
export type Node = TSchema &
  Readonly<{
    type?: string
    const?: string
    default?: unknown
    description?: string
    pattern?: string
    minimum?: number
    maximum?: number
    enum?: readonly unknown[]
    pathRole?: PathRole
    anyOf?: readonly Node[]
    items?: Node
    properties?: Readonly<Record<string, Node>>
    patternProperties?: Readonly<Record<string, Node>>
    required?: readonly string[]
  }>

/**
 * Takes a value as its schema wants it: defaults filled in, paths handed through `listener.path`, and every fault reported with its
 * place. What is faulty is undefined in the result, so that the checks that follow can go on with the rest.
 */
export function takeValue(schema: TSchema, value: unknown, listener: Listener, place: Place = []): unknown {
  const node = schema as Node
  const given = value === undefined ? structuredClone(node.default) : value
  if (node.anyOf !== undefined) return takeVariant(node.anyOf, given, listener, place)
  if (node.properties !== undefined) return takeObject(node, given, listener, place)
  if (node.patternProperties !== undefined) return takeRecord(node.patternProperties, given, listener, place)
  if (node.items !== undefined) return takeArray(node, given, listener, place)
  return takeLeaf(node, given, listener, place)
}

function takeObject({ properties = {}, required = [] }: Node, value: unknown, listener: Listener, place: Place): unknown {
  if (!isObject(value)) return void listener.fault(place, 'must be a mapping')
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(properties, name)) listener.fault([...place, name], `unknown member; known here are ${Object.keys(properties).join(', ')}`)
  }
  const taken: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(properties)) {
    if (Object.hasOwn(value, name) || schema.default !== undefined) {
      taken[name] = takeValue(schema, value[name] === null ? undefined : value[name], listener, [...place, name])
    } else if (required.includes(name)) listener.fault(place, `${name} is missing`)
  }
  return taken
}

/** A mapping whose names the operator chooses, within a pattern. */
function takeRecord(patterns: Readonly<Record<string, Node>>, value: unknown, listener: Listener, place: Place): unknown {
  if (!isObject(value)) return void listener.fault(place, 'must be a mapping')
  const taken: [string, unknown][] = []
  for (const [name, item] of Object.entries(value)) {
    const [, schema] = Object.entries(patterns).find(([pattern]) => new RegExp(pattern).test(name)) ?? []
    if (schema === undefined) listener.fault([...place, name], `the name must match ${Object.keys(patterns).join(' or ')}`)
    else taken.push([name, takeValue(schema, item, listener, [...place, name])])
  }
  return Object.fromEntries(taken)
}

function takeArray({ items, ...own }: Node, value: unknown, listener: Listener, place: Place): unknown {
  if (!Array.isArray(value)) return void listener.fault(place, 'must be a list')
  // The list's own rules (length, no duplicates); what is wrong with an item is reported at the item.
  takeLeaf(own, value, listener, place)
  return value.map((item, index) => takeValue(items as Node, item, listener, [...place, index]))
}

/** Chooses the variant by its mark, so that faults name what is wrong and not "none fits". */
function takeVariant(variants: readonly Node[], value: unknown, listener: Listener, place: Place): unknown {
  if (!isObject(value)) return void listener.fault(place, 'must be a mapping')
  const variant = variants.map(markOf).find(({ name, constant }) => (constant === undefined ? Object.hasOwn(value, name) : value[name] === constant))
  if (variant === undefined) return void listener.fault(place, `must be ${variants.map(markOf).map(describeMark).join(' or ')}`)
  return takeObject(variant.node, value, listener, place)
}

type Mark = Readonly<{ node: Node; name: string; constant: string | undefined }>

/** What tells a variant from its siblings: its constant member (`kind`), else its first, which no other has. */
export function markOf(node: Node): Mark {
  const members = Object.entries(node.properties as Readonly<Record<string, Node>>).map(([name, member]) => ({ node, name, constant: member.const }))
  return members.find(({ constant }) => constant !== undefined) ?? (members[0] as Mark)
}

function describeMark({ name, constant }: Mark): string {
  return constant === undefined ? `{ ${name}: … }` : `{ ${name}: ${constant}, … }`
}

function takeLeaf(node: Node, value: unknown, listener: Listener, place: Place): unknown {
  const [error] = Value.Errors(node, value)
  if (error !== undefined) return void listener.fault(place, leafFault(node, error.message, value))
  return node.pathRole === undefined ? value : listener.path(place, node.pathRole, value as string)
}

function leafFault({ type, enum: allowed, pattern }: Node, message: string, value: unknown): string {
  if (allowed !== undefined) return `must be one of ${allowed.join(', ')}`
  if (type === 'string' && typeof value === 'number') return 'must be text: put it in quotes'
  if (pattern === PRINTABLE && typeof value === 'string') return 'must be text without control characters, 1 to 4096 characters long'
  return pattern !== undefined && typeof value === 'string' ? `must match ${pattern}` : message
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
