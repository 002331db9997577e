import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import type { Place } from './fault.ts'
import type { PathRole } from './schema.ts'

/** Told of every fault, and of every path with what it is for. `member` names the key of an unknown member, for its line. */
export type Listener = Readonly<{
  fault: (place: Place, message: string) => void
  path: (place: Place, role: PathRole, value: string) => string
}>

type Node = TSchema &
  Readonly<{
    type?: string
    const?: unknown
    default?: unknown
    pattern?: string
    enum?: readonly unknown[]
    pathRole?: PathRole
    anyOf?: readonly Node[]
    items?: Node
    properties?: Readonly<Record<string, Node>>
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

function takeArray(node: Node, value: unknown, listener: Listener, place: Place): unknown {
  if (!Array.isArray(value)) return void listener.fault(place, 'must be a list')
  // The list's own rules (length, no duplicates); what is wrong with an item is reported at the item.
  takeLeaf({ ...node, items: {} } as Node, value, listener, place)
  return value.map((item, index) => takeValue(node.items ?? {}, item, listener, [...place, index]))
}

/** Chooses the variant by its constant member (`kind`), or by the member that only it has, so that faults name what is wrong and not "none fits". */
function takeVariant(variants: readonly Node[], value: unknown, listener: Listener, place: Place): unknown {
  if (!isObject(value)) return void listener.fault(place, 'must be a mapping')
  const variant = variants.find(({ properties = {} }) => {
    const [first] = Object.entries(properties)
    const [name, { const: constant }] = Object.entries(properties).find(([, member]) => member.const !== undefined) ?? first ?? ['', {}]
    return constant === undefined ? Object.hasOwn(value, name) : value[name] === constant
  })
  if (variant === undefined) return void listener.fault(place, `must be ${variants.map(describeVariant).join(' or ')}`)
  return takeObject(variant, value, listener, place)
}

function describeVariant({ properties = {} }: Node): string {
  const [name, member] = Object.entries(properties).find(([, { const: constant }]) => constant !== undefined) ?? Object.entries(properties)[0] ?? ['', {} as Node]
  return member.const === undefined ? `{ ${name}: … }` : `{ ${name}: ${String(member.const)}, … }`
}

function takeLeaf(node: Node, value: unknown, listener: Listener, place: Place): unknown {
  const [error] = Value.Errors(node, value)
  if (error !== undefined) return void listener.fault(place, leafFault(node, error.message, value))
  return node.pathRole === undefined ? value : listener.path(place, node.pathRole, value as string)
}

function leafFault({ type, enum: allowed, pattern }: Node, message: string, value: unknown): string {
  if (allowed !== undefined) return `must be one of ${allowed.join(', ')}`
  if (type === 'string' && typeof value === 'number') return 'must be text: put it in quotes'
  return pattern !== undefined && typeof value === 'string' ? `must match ${pattern}` : message
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
