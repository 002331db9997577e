import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { LogEntry } from '../../../formats/index.ts'
import { LEASE_MS } from '../../../server/store/answers.ts'
import type { Database, Recorded } from '../../../server/store/database.ts'
import type { AnswerItem, Asked, Asking, Subject, Unrecorded } from '../../../server/store/store.ts'
import type { Write } from '../../../server/store/transaction.ts'
import { ENGINES, openLocal, type TestDatabase } from '../../helpers/engines.ts'
import { count } from '../../helpers/full-size.ts'
import { KEEP_MS, recording } from '../../helpers/store.ts'

/** A step of a run: writes of one group, a question of a client, a look at the rows, a restart. Numbers choose among few, so that steps meet. */
type Step = Readonly<{ kind: 'writes'; writes: readonly Choice[] } | { kind: 'lookUp'; choice: Choice } | { kind: 'wait'; ms: number } | { kind: 'audit' } | { kind: 'restart' }>
type Choice = Readonly<{ kind: Exclude<Write['kind'], 'hand'>; content: number; fileset: number; client: number; file: number; isForced: boolean; isResigned: boolean }>

const choices = fc.record<Choice>({
  kind: fc.constantFrom('record', 'record', 'record', 'append', 'begin', 'ask', 'ask', 'answer', 'answer', 'giveUp', 'renew', 'purge'),
  content: fc.nat(5),
  fileset: fc.nat(3),
  client: fc.nat(2),
  file: fc.nat(3),
  isForced: fc.integer({ min: 0, max: 4 }).map((value) => value === 0),
  isResigned: fc.integer({ min: 0, max: 4 }).map((value) => value === 0),
})

const steps = fc.oneof<fc.WeightedArbitrary<Step>[]>(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('writes'), writes: fc.array(choices, { minLength: 1, maxLength: 8 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('lookUp'), choice: choices }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.constantFrom(1000, LEASE_MS, KEEP_MS) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'audit' }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' }) },
)

type Answer = { fingerprint: string; requestId: string; state: 'running' | 'finished'; leaseUntil: number; expiresAt: number; items: number }

type Logged = Readonly<{ configurationSha256: string | undefined; key: string | undefined }>

/** What the database should know, in a few maps. */
class Model {
  readonly artefacts = new Map<string, string>()
  readonly levels = new Map<string, Readonly<{ sha256: string; id: string }>>()
  readonly recorded = new Map<string, unknown>()
  readonly answers = new Map<string, Answer>()
  readonly attempts = new Map<string, Asked>()
  logged: Logged = { configurationSha256: undefined, key: undefined }
  leaves = 0
  begun: Logged | undefined
  now = 1_800_000_000_000

  record(subject: Subject, id: string): Readonly<{ kind: string; id?: string }> {
    const known = subject.force ? undefined : this.artefacts.get(subject.artefact)
    if (known !== undefined) return { kind: 'signed', id: known }
    const names = subject.levels.map((level) => JSON.stringify(level))
    const taken = names.map((name) => this.levels.get(name)).find((level) => level !== undefined && level.sha256 !== subject.sha256)
    if (taken !== undefined && !subject.resign) return { kind: 'taken', id: taken.id }
    for (const name of names) if (this.levels.get(name)?.sha256 !== subject.sha256) this.levels.set(name, { sha256: subject.sha256, id })
    this.artefacts.set(subject.artefact, id)
    this.leaves += 1
    return { kind: 'recorded', id }
  }

  /** A start says what differs from what the log said before the group. */
  begin(configurationSha256: string, key: string | undefined): void {
    this.leaves += 1 + Number(configurationSha256 !== this.logged.configurationSha256) + Number(key !== this.logged.key)
    this.begun = { configurationSha256, key }
  }

  ask({ client, key, fingerprint, requestId }: Asked): string {
    const row = this.answers.get(`${client} ${key}`)
    if (row !== undefined && row.expiresAt > this.now) {
      if (row.fingerprint !== fingerprint) return 'other'
      if (row.state === 'finished') return 'finished'
      if (row.leaseUntil > this.now) return 'running'
    }
    this.answers.set(`${client} ${key}`, { fingerprint, requestId, state: 'running', leaseUntil: this.now + LEASE_MS, expiresAt: this.now + KEEP_MS, items: 0 })
    return 'begun'
  }

  own({ client, key, requestId }: Asked): Answer | undefined {
    const row = this.answers.get(`${client} ${key}`)
    return row?.requestId === requestId && row.state === 'running' ? row : undefined
  }
}

const AT = '2026-11-24T05:06:07.089Z'
const KINDS: readonly LogEntry[] = [
  { kind: 'refusal', at: AT, client: 'guest', spki: 'ab'.repeat(32), operation: 'sign', code: 'FORBIDDEN' },
  { kind: 'refusal', at: AT, spki: 'ab'.repeat(32), operation: 'verify', code: 'CLIENT_UNKNOWN' },
  { kind: 'failure', at: AT, client: 'guest', spki: 'ab'.repeat(32), filename: 'a.bff', sha256: 'cd'.repeat(32), keyid: '1001', code: 'SIGNER_FAILED' },
  { kind: 'failure', at: AT, client: 'guest', spki: 'ab'.repeat(32), code: 'SIGNER_FAILED' },
  { kind: 'start', at: AT, version: '1.0.0' },
  { kind: 'stop', at: AT },
]

const subjectOf = ({ content, fileset, client, file, isForced, isResigned }: Choice) => recording({
  content: `content ${content}`,
  client: `client-${client}`,
  filesets: fileset === 0 ? [] : [`PkgA.f${fileset}`, 'PkgA.f1'],
  force: isForced,
  resign: isResigned,
  ...(file === 0 ? { sent: true } : { relativePath: `${file}.bff`, sizeBytes: content + 1 }),
})

const askedOf = ({ client, file, content }: Choice): Asked => ({ client: `client-${client}`, key: `key ${file}`, fingerprint: `fingerprint ${content % 2}`, requestId: randomUUID() })

/** A write, and what should become of it; the model is asked in the order in which the database decides. */
function planned(choice: Choice, model: Model): Readonly<{ write: Write; expect: () => (result: unknown) => void }> {
  const attempt = [...model.attempts.values()].at(-1 - choice.file) ?? askedOf(choice)
  switch (choice.kind) {
    case 'record': {
      const { subject, signature } = subjectOf(choice)
      return { write: { kind: 'record', recording: { subject, signature } }, expect: () => checkRecorded(model, signature, model.record(subject, signature.id)) }
    }
    case 'append':
      return { write: { kind: 'append', entry: KINDS[choice.content] as LogEntry }, expect: () => (model.leaves += 1, () => undefined) }
    case 'begin': {
      const [configurationSha256, spkiSha256] = [`c${choice.file}`.repeat(32), `b${choice.content}`.repeat(32)]
      return { write: { kind: 'begin', started: { at: AT, version: '1.0.0', configurationSha256, keys: new Map(choice.isForced ? [] : [['1001', spkiSha256]]) } }, expect: () => {
        model.begin(configurationSha256, choice.isForced ? undefined : spkiSha256)
        return () => undefined
      } }
    }
    case 'ask': {
      const asked = askedOf(choice)
      return { write: { kind: 'ask', asked }, expect: () => {
        const want = model.ask(asked)
        if (want === 'begun') model.attempts.set(asked.requestId, asked)
        return (result) => same((result as Asking).kind, want)
      } }
    }
    case 'answer': {
      const items: AnswerItem[] = [...model.recorded.keys()].slice(0, choice.content).map((signatureId, listed) => ({ name: `${listed}`, listed, kind: 'signed', signatureId, filename: 'a.bff', replayed: choice.isForced }))
      return { write: { kind: 'answer', asked: attempt, head: { kind: 'file', path: 'a.bff', warnings: [] }, items }, expect: () => {
        const row = model.own(attempt)
        if (row !== undefined) Object.assign(row, { state: 'finished', expiresAt: model.now + KEEP_MS, items: items.length })
        return (result) => same(result, row !== undefined)
      } }
    }
    case 'giveUp':
      return { write: { kind: 'giveUp', asked: attempt }, expect: () => {
        if (model.own(attempt) !== undefined) model.answers.delete(`${attempt.client} ${attempt.key}`)
        return () => undefined
      } }
    case 'renew':
      return { write: { kind: 'renew', running: [attempt] }, expect: () => {
        const row = model.own(attempt)
        if (row !== undefined) row.leaseUntil = model.now + LEASE_MS
        return () => undefined
      } }
    case 'purge':
      return { write: { kind: 'purge' }, expect: () => {
        for (const [key, { expiresAt }] of model.answers) if (expiresAt <= model.now) model.answers.delete(key)
        return (result) => same(result, false)
      } }
  }
}

function same(found: unknown, wanted: unknown): void {
  if (!Object.is(found, wanted)) throw new Error(`found ${String(found)}, not ${String(wanted)}`)
}

function checkRecorded(model: Model, signature: Unrecorded, want: Readonly<{ kind: string; id?: string }>): (result: unknown) => void {
  return (result) => {
    const found = result as Recorded
    same(found.kind, want.kind)
    if (found.kind === 'recorded') model.recorded.set(signature.id, { ...signature, replayed: false, receipt: found.receipt })
    else if (found.kind !== 'spent') same(found.kind === 'taken' ? found.earlier : found.signature.id, want.id)
  }
}

async function write(database: Database, model: Model, chosen: readonly Choice[]): Promise<void> {
  // A server starts once.
  const first = chosen.findIndex(({ kind }) => kind === 'begin')
  const plans = chosen.filter(({ kind }, at) => kind !== 'begin' || at === first).map((choice) => planned(choice, model))
  const isRecord = ({ write: { kind } }: (typeof plans)[0]) => kind === 'record'
  const checks = new Map([...plans.filter(isRecord), ...plans.filter((plan) => !isRecord(plan))].map((plan) => [plan, plan.expect()]))
  model.logged = model.begun ?? model.logged
  model.begun = undefined
  const results = await database.write(plans.map((plan) => plan.write))
  for (const [at, plan] of plans.entries()) checks.get(plan)?.(results[at])
}

async function lookUp(database: Database, model: Model, choice: Choice): Promise<void> {
  const { subject } = subjectOf(choice)
  const [looked] = await database.lookUp([subject])
  const known = subject.force ? undefined : model.artefacts.get(subject.artefact)
  if (known !== undefined) same(looked?.kind, 'signed')
  if (looked?.kind !== 'signed') return
  same(looked.signature.id, known)
  if (looked.unhanded) await database.write([{ kind: 'hand', id: looked.signature.id, recipient: subject.recipient, isOwn: looked.client === subject.recipient.client }])
  const [again] = await database.lookUp([subject])
  same(again?.kind === 'signed' && again.unhanded, false)
}

async function checkIntact(database: Database, model: Model): Promise<void> {
  const { intact, findings, checkpoint } = await database.audit()
  if (!intact) throw new Error(`a false alarm: ${JSON.stringify(findings)}`)
  same(Number(checkpoint.split('\n')[1]), model.leaves)
  for (const [id, signature] of model.recorded) same(isDeepStrictEqual((await database.get(id))?.signature, signature), true)
}

async function run(fresh: TestDatabase, sequence: readonly Step[]): Promise<void> {
  const model = new Model()
  const open = async () => await openLocal(await fresh.engine(), { now: () => model.now })
  let database = await open()
  try {
    for (const step of sequence) {
      if (step.kind === 'writes') await write(database, model, step.writes)
      else if (step.kind === 'lookUp') await lookUp(database, model, step.choice)
      else if (step.kind === 'wait') model.now += step.ms
      else if (step.kind === 'audit') await checkIntact(database, model)
      else {
        await database.close()
        database = await open()
      }
    }
    await checkIntact(database, model)
  } finally {
    await database.close()
  }
}

for (const { name, skip, fresh } of ENGINES) {
  void t.test(`${name}: whatever is written in whatever order, the database answers as a plain model does and the audit finds nothing`, { skip, timeout: 600_000 }, async (t) => {
    const sequences = fc.array(steps, { minLength: 20, maxLength: 120, size: 'max' })
    await fc.assert(fc.asyncProperty(sequences, async (sequence) => await run(await fresh(t), sequence)), { numRuns: count(4, 12) })
  })
}
