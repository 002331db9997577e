import type { FastifyBaseLogger } from 'fastify'
import { compareConfigs, compareNamed, isUnchanged, type Member, type NamedChanges } from './config/changes.ts'
import { ConfigError } from './config/fault.ts'
import { loadConfig, type Config } from './config/load.ts'
import { markFiles, type Marks } from './config/marks.ts'
import { watchFiles, type FileWatch } from './config/watch.ts'
import { openConfigured, type Configured, type Ground } from './configured.ts'
import { TlsFaults } from './identity/renewal.ts'
import type { TlsMaterial } from './identity/tls.ts'
import { KeyFaults } from './keys/key-faults.ts'

/** Why the configuration is read again. */
export type ReloadCause = 'SIGHUP' | 'file change'

/** What a reload changed: members of the configuration, names in its lists, and which of the files of `tls` have other content. */
export type Changed = Readonly<{ members: readonly Member[]; clients?: NamedChanges; keys?: NamedChanges; roots?: NamedChanges; tls?: readonly (keyof TlsMaterial)[] }>

/** What became of a reload. One that is refused has changed nothing; `faults` are sentences for the operator. */
export type ReloadResult = Readonly<{ kind: 'done'; changed: Changed } | { kind: 'refused'; faults: readonly string[] }>

/** Takes the configuration up again while the server runs, whole or not at all. */
export interface Reloader {
  now(): Configured
  /** Reads the configuration again. Reloads run one after the other; asked for while one waits, it is that one. It never rejects. */
  reload(cause: ReloadCause): Promise<ReloadResult>
  /** Starts to watch the files of the configuration, from what they were when it was read. */
  watch(): void
  /** Reloads no more, and resolves when the one that runs is over. */
  close(): Promise<void>
}

export type ReloadDeps = Readonly<{
  first: Configured
  ground: Ground
  log: Pick<FastifyBaseLogger, 'info' | 'error'>
  /** Writes down which configuration and which keys are taken up, before they are. When that fails they are not. */
  record: (next: Configured) => Promise<void>
  /** Puts what was opened into the place of what was there; returns facts for the log. It cannot fail. */
  take: (before: Configured, next: Configured, changed: Changed) => Readonly<Record<string, unknown>>
  finished: (result: ReloadResult['kind']) => void
}>

/** Returns what reloads the configuration of a server. */
export function createReloader(deps: ReloadDeps): Reloader {
  return new QueuedReloader(deps)
}

class QueuedReloader implements Reloader {
  readonly #deps: ReloadDeps
  #now: Configured
  #running: Promise<unknown> = Promise.resolve()
  #waiting: Promise<ReloadResult> | undefined
  #watch: FileWatch | undefined
  #closed = false

  constructor(deps: ReloadDeps) {
    this.#deps = deps
    this.#now = deps.first
  }

  now(): Configured {
    return this.#now
  }

  async reload(cause: ReloadCause): Promise<ReloadResult> {
    return await (this.#waiting ??= this.#enqueue(cause))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#watch?.close()
    await this.#running
  }

  #enqueue(cause: ReloadCause): Promise<ReloadResult> {
    const result = this.#running.then(async () => {
      this.#waiting = undefined
      return await this.#attempt(cause)
    })
    this.#running = result
    return result
  }

  async #attempt(cause: ReloadCause): Promise<ReloadResult> {
    if (this.#closed) return { kind: 'refused', faults: ['the server is shutting down'] }
    const { log, finished } = this.#deps
    const started = performance.now()
    const result = await this.#try().catch((error: unknown) => ({ kind: 'refused', faults: faultsOf(error), facts: {} }) as const)
    const { facts, ...told } = result
    const durationMs = Math.round((performance.now() - started) * 10) / 10
    if (told.kind === 'done') log.info({ cause, ...told.changed, configurationSha256: this.#now.config.sha256, ...facts, durationMs }, 'reloaded')
    else log.error({ cause, faults: told.faults, durationMs }, 'reload refused')
    finished(told.kind)
    return told
  }

  async #try(): Promise<ReloadResult & Readonly<{ facts: Readonly<Record<string, unknown>> }>> {
    const { ground, record, take } = this.#deps
    const before = this.#now
    const marks = await markFiles(before.marks.keys())
    this.#watch?.seen(marks)
    const config = await this.#load(before.config.file, marks)
    const { restart, reloadable: members } = compareConfigs(before.config, config)
    if (restart.length > 0) return { kind: 'refused', faults: restart.map((member) => `${member}: a change needs a restart`), facts: {} }
    const next = await openConfigured(config, ground, before)
    const changed = changesOf(before, next, members)
    try {
      if (config.sha256 !== before.config.sha256 || changed.keys !== undefined) await record(next)
    } catch (error) {
      await next.tokens.close(before.tokens)
      throw error
    }
    this.#now = next
    const facts = take(before, next, changed)
    // The marks that were taken first: what changed while files were read is seen as a change.
    this.#watch?.seen(new Map([...next.marks].map(([path, mark]) => [path, marks.get(path) ?? mark])))
    if (changed.members.includes('reload')) this.watch()
    return { kind: 'done', changed, facts }
  }

  /** Watches also what only this configuration names: if it is refused, perhaps it lacks nothing but a file that is still to come or to be mended. */
  async #load(file: string, marks: Marks): Promise<Config> {
    const watchToo = async (files: readonly string[]): Promise<void> => this.#watch?.seen(new Map([...(await markFiles(files)), ...marks]))
    try {
      const config = await loadConfig(file)
      await watchToo(config.files)
      return config
    } catch (error) {
      if (error instanceof ConfigError) await watchToo(error.files)
      throw error
    }
  }

  watch(): void {
    this.#watch?.close()
    const { marks, config } = this.#now
    this.#watch = watchFiles({ marks, pollMs: config.reload.pollMs, changed: async () => void (await this.reload('file change')) })
  }
}

function changesOf(before: Configured, next: Configured, members: readonly Member[]): Changed {
  const nameOf = ({ name }: Readonly<{ name: string }>): string => name
  const keyidOf = ({ keyid }: Readonly<{ keyid: string }>): string => keyid
  const lists = {
    clients: compareNamed(before.config.clients, next.config.clients, { nameOf }),
    roots: compareNamed(before.config.roots, next.config.roots, { nameOf }),
    keys: mergeChanged(compareNamed(before.config.keys, next.config.keys, { nameOf: keyidOf }), renewedKeys(before, next)),
  }
  const tls = (['cert', 'key', 'clientCa', 'crl'] as const).filter((name) => before.tls[name] !== next.tls[name])
  return { members, ...Object.fromEntries(Object.entries(lists).filter(([, changes]) => !isUnchanged(changes))), ...(tls.length === 0 ? {} : { tls }) }
}

/** Keys whose configuration may be the same and whose public key, or certificate, is not. */
function renewedKeys({ live: before }: Configured, { live: next }: Configured): readonly string[] {
  return [...next.keyring.values()].flatMap((key) => {
    const old = before.keyring.get(key.keyid)
    return old === undefined || (old.publicKey.equals(key.publicKey) && old.certificatePem === key.certificatePem) ? [] : [key.keyid]
  })
}

function mergeChanged(changes: NamedChanges, more: readonly string[]): NamedChanges {
  return { ...changes, changed: [...new Set([...changes.changed, ...more])] }
}

function faultsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.message.split('\n')
  if (error instanceof KeyFaults || error instanceof TlsFaults) return error.faults
  return [(error as Error).message]
}
