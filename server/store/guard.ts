import type { Kysely } from 'kysely'
import { padded } from './padded.ts'
import type { Level, Spent, Subject } from './store.ts'
import type { LevelRow, SignatureRow, StoreTables } from './tables.ts'

/**
 * What stands in the way of signing a subject: a signature that it has already (id), a level that has other content, by which signature (id),
 * or that its recipient has had as many signatures made as it may.
 */
export type Obstacle = Readonly<{ kind: 'signed'; id: string } | { kind: 'taken'; level: Level; earlier: string } | Spent>

/**
 * What was signed before, as far as it touches some subjects: the newest signature of each artefact that is not to be signed by force, the content of each level, and how many
 * signatures each client had made whose number is limited, counted no further than that.
 */
export type Past = Readonly<{ artefacts: Map<string, string>; levels: Map<string, LevelRow>; counts: Map<string, number> }>

/** The key of a level in its table. No part of it can hold a space. */
export function levelKey({ package: name, fileset, vrmf, ftype }: Level): string {
  return `${name} ${fileset} ${vrmf} ${ftype}`
}

// Parameters of one statement are limited.
const KEYS_PER_SELECT = 4_096

/** Reads what was signed before that touches these subjects. */
export async function readPast(db: Kysely<StoreTables>, subjects: readonly Subject[]): Promise<Past> {
  const artefacts = new Map<string, string>()
  const levels = new Map<string, LevelRow>()
  // Of what is signed by force again and again there are many, and no obstacle.
  for (const group of chunks([...new Set(subjects.filter(({ force }) => !force).map(({ artefact }) => artefact))])) {
    const rows = await db.selectFrom('signatures').select(['id', 'artefact']).where('artefact', 'in', padded(group)).orderBy('leaf_index').execute()
    for (const { id, artefact } of rows) artefacts.set(artefact, id)
  }
  for (const group of chunks([...new Set(subjects.flatMap((subject) => subject.levels.map(levelKey)))])) {
    for (const row of await db.selectFrom('levels').selectAll().where('level', 'in', padded(group)).execute()) levels.set(row.level, row)
  }
  return { artefacts, levels, counts: await readCounts(db, subjects) }
}

async function readCounts(db: Kysely<StoreTables>, subjects: readonly Subject[]): Promise<Map<string, number>> {
  const limits = new Map<string, number>()
  for (const { maxSignatures = 0, recipient: { client } } of subjects) if (maxSignatures > 0) limits.set(client, Math.max(maxSignatures, limits.get(client) ?? 0))
  const counts = new Map<string, number>()
  for (const [client, most] of limits) counts.set(client, await countSignatures(db, client, most))
  return counts
}

/** Returns how many signatures were made for a client, counted up to `most`: an index has them side by side, so no row is read. */
export async function countSignatures(db: Kysely<StoreTables>, client: string, most: number): Promise<number> {
  const some = db.selectFrom('signatures').select('leaf_index').where('client', '=', client).limit(most).as('some')
  const { count } = await db.selectFrom(some).select(({ fn }) => fn.countAll<number>().as('count')).executeTakeFirstOrThrow()
  return count
}

/** Returns what stands in the way of a subject, or undefined when it is to be signed. */
export function obstacleOf(subject: Subject, past: Past): Obstacle | undefined {
  const id = subject.force ? undefined : past.artefacts.get(subject.artefact)
  if (id !== undefined) return { kind: 'signed', id }
  return (subject.resign ? undefined : takenLevel(subject, past)) ?? spentLimit(subject, past)
}

function spentLimit({ maxSignatures, recipient: { client } }: Subject, { counts }: Past): Spent | undefined {
  const count = counts.get(client) ?? 0
  return maxSignatures === undefined || count < maxSignatures ? undefined : { kind: 'spent', count, maxSignatures }
}

/** Counts a signature that is made now. */
export function countMade({ recipient: { client } }: Subject, { counts }: Past): void {
  const count = counts.get(client)
  if (count !== undefined) counts.set(client, count + 1)
}

/** Returns the first level of a subject that has other content, or undefined. */
export function takenLevel({ sha256, levels }: Pick<Subject, 'sha256' | 'levels'>, past: Past): Extract<Obstacle, { kind: 'taken' }> | undefined {
  for (const level of levels) {
    const row = past.levels.get(levelKey(level))
    if (row !== undefined && row.sha256 !== sha256) return { kind: 'taken', level, earlier: row.signature_id }
  }
  return undefined
}

/** Returns the rows of the levels that a new signature gives content to, new ones and those that had another (only for `resign`). */
export function levelChanges({ sha256, levels }: Subject, signature: Pick<SignatureRow, 'id'>, past: Past): Readonly<{ added: LevelRow[]; replaced: LevelRow[] }> {
  const rows = levels.map((level): LevelRow => ({ level: levelKey(level), sha256, signature_id: signature.id }))
  return {
    added: rows.filter(({ level }) => !past.levels.has(level)),
    replaced: rows.filter(({ level }) => (past.levels.get(level)?.sha256 ?? sha256) !== sha256),
  }
}

function chunks<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / KEYS_PER_SELECT) }, (_, index) => items.slice(index * KEYS_PER_SELECT, (index + 1) * KEYS_PER_SELECT))
}
