import { printable } from './printable.ts'

type Members = Readonly<Record<string, unknown>>

/**
 * Returns the answer of `whoami` as text for a person, a line for each member, and those of `limits` and `left` indented below their name:
 *
 *     name: job-4711
 *     allow: sign
 *     roots: -
 *     limits:
 *       filesets: PkgA.rte, PkgA.*
 *       maxSignatures: 3
 *     left:
 *       signatures: 2
 */
export function whoamiText(answer: Members, indent = ''): string {
  return Object.entries(answer).map(([name, value]) => (isMembers(value) ? below(name, value, indent) : `${indent}${printable(`${name}: ${valueText(value)}`)}\n`)).join('')
}

function below(name: string, members: Members, indent: string): string {
  return Object.keys(members).length === 0 ? `${indent}${printable(name)}: none\n` : `${indent}${printable(name)}:\n${whoamiText(members, `${indent}  `)}`
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.join(', ')
  return String(value)
}
