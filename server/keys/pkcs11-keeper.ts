import { encodeDigestInfo } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import { KeyFaults } from './key-faults.ts'
import { startTokenProcess } from './pkcs11-child.ts'
import type { TokenProcess } from './pkcs11-child.ts'
import { createLine } from './pkcs11-line.ts'
import type { Job, Line } from './pkcs11-line.ts'
import type { TokenAnswer, TokenOpening } from './pkcs11-protocol.ts'

/** Where what happens to a token's process is told; facts never hold a secret. */
export type TokenLog = Readonly<Record<'info' | 'warn' | 'error', (facts: Readonly<Record<string, unknown>>, message: string) => void>>

/** A token and how it is used: `timeoutMs` for one signature, and for its wait before that; `waiting` the length of the line. */
export type TokenOptions = Readonly<{
  opening: Omit<TokenOpening, 'refusedPin'>
  environment: Readonly<Record<string, string>>
  timeoutMs: number
  waiting: number
  log: TokenLog
}>

type Opened = Extract<TokenAnswer, { kind: 'opened' }>
type Failed = Extract<TokenAnswer, { kind: 'failed' }>

/** A token in a process of its own, which is replaced when it ends. */
export interface KeptToken {
  /**
   * Starts the first process; resolves with the keys as they were found.
   * @throws KeyFaults when the token cannot be opened; the reason is one sentence
   */
  open(): Promise<Opened>
  /**
   * Resolves with the RSASSA-PKCS1-v1_5 signature over a SHA-256 digest (32 raw bytes) with the key of this index. A process that ends
   * meanwhile loses nothing: its successor signs.
   * @throws SigningError `SIGNER_BUSY` when the line is full, `SIGNER_TIMEOUT`, `SIGNER_NOT_AVAILABLE` while the token cannot be used,
   * `SIGNER_FAILED` when it does not sign, `SHUTTING_DOWN` once closed
   */
  sign(key: number, sha256: Uint8Array): Promise<Buffer>
  waiting(): number
  close(): Promise<void>
}

/** A process that does not open the token by then is killed. */
const OPENING_MS = 30_000

/** How many processes may end with the same signature in their hands. */
const TRIES_MAX = 5

/** The wait before a process is started again: none when the last one signed, then more with each that did not. */
const restartMs = (failures: number): number => (failures === 0 ? 0 : Math.min(100 * 2 ** (failures - 1), 10_000))

/** One life of the process: what it has in its hands, by the number of the request, and what it has achieved. */
type Life = { process: TokenProcess; overdue: NodeJS.Timeout; readonly jobs: Map<number, Job>; opened: boolean; signed: boolean }

/** Returns a token whose process is not started yet. */
export function keepToken(options: TokenOptions): KeptToken {
  return new Keeper(options)
}

class Keeper implements KeptToken {
  readonly #options: TokenOptions
  readonly #facts: Readonly<Record<string, unknown>>
  readonly #line: Line
  readonly #first = Promise.withResolvers<Opened>()
  #life: Life | undefined
  #lastId = 0
  /** Processes in a row that signed nothing. */
  #failures = 0
  /** Why the last process could not open the token, while none has. */
  #refusal: string | undefined
  #refusedPin: string | undefined
  #restart: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: TokenOptions) {
    const { opening, waiting, timeoutMs } = options
    this.#options = options
    this.#facts = { module: opening.module, token: opening.token }
    this.#line = createLine({ waiting, timeoutMs, late: () => (this.#life?.opened === true ? this.#tooSlow() : this.#notAvailable('its process does not stay up')) })
  }

  async open(): Promise<Opened> {
    this.#start()
    return await this.#first.promise
  }

  async sign(key: number, sha256: Uint8Array): Promise<Buffer> {
    if (this.#closed) throw shuttingDown()
    if (this.#refusal !== undefined) throw this.#notAvailable(this.#refusal)
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    const job: Job = { key, digestInfoBase64: encodeDigestInfo(sha256).toString('base64'), tries: 0, settle: resolve, refuse: reject }
    if (this.#hasRoom() && this.#line.length() === 0) this.#give(this.#life as Life, job)
    else this.#line.join(job)
    return await promise
  }

  waiting(): number {
    return this.#line.length()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#restart)
    this.#line.clear(shuttingDown())
    await this.#life?.process.close()
  }

  #start(): void {
    const { opening, environment } = this.#options
    const process = startTokenProcess({ environment, sessions: opening.sessions }, { answered: (answer) => this.#onAnswer(life, answer), ended: (reason) => this.#onEnd(life, reason) })
    const life: Life = { process, overdue: setTimeout(process.kill, OPENING_MS), jobs: new Map(), opened: false, signed: false }
    this.#life = life
    this.#options.log.info({ ...this.#facts, pid: process.pid }, 'pkcs11 process started')
    process.send({ kind: 'open', opening: { ...opening, ...(this.#refusedPin === undefined ? {} : { refusedPin: this.#refusedPin }) } })
  }

  #hasRoom(): boolean {
    return this.#life?.opened === true && this.#life.jobs.size < this.#options.opening.sessions
  }

  #advance(): void {
    while (this.#hasRoom() && this.#line.length() > 0) this.#give(this.#life as Life, this.#line.next() as Job)
  }

  #give(life: Life, job: Job): void {
    const { timeoutMs, log } = this.#options
    this.#lastId += 1
    const id = this.#lastId
    life.jobs.set(id, job)
    job.tries += 1
    job.timer = setTimeout(() => {
      life.jobs.delete(id)
      job.refuse(this.#tooSlow())
      // The library cannot be told to stop. Whatever else it was doing, another process does.
      log.error({ ...this.#facts, timeoutMs }, 'token took too long')
      kill(life)
    }, timeoutMs)
    life.process.send({ kind: 'sign', id, key: job.key, digestInfoBase64: job.digestInfoBase64 })
  }

  #onAnswer(life: Life, answer: TokenAnswer): void {
    switch (answer.kind) {
      case 'login':
        return this.#options.log.info(this.#facts, 'logging in to token')
      case 'pinRefused':
        this.#refusedPin = answer.mark
        return
      case 'opened':
        return this.#onOpened(life, answer)
      case 'refused':
        return this.#onRefused(life, answer.fault)
      case 'signed':
        life.signed = true
        this.#failures = 0
        take(life, answer.id)?.settle(Buffer.from(answer.signatureBase64, 'base64'))
        return this.#advance()
      case 'failed':
        this.#onFailed(life, answer)
        return this.#advance()
    }
  }

  #onOpened(life: Life, answer: Opened): void {
    clearTimeout(life.overdue)
    life.opened = true
    this.#refusal = undefined
    if (answer.pinFault !== undefined) this.#options.log.error({ ...this.#facts, fault: answer.pinFault }, 'token refused the PIN')
    this.#first.resolve(answer)
    this.#advance()
  }

  #onRefused(life: Life, fault: string): void {
    this.#refusal = fault
    this.#options.log.error({ ...this.#facts, fault }, 'token cannot be used')
    this.#first.reject(new KeyFaults([fault]))
    void life.process.close()
  }

  #onFailed(life: Life, { id, failure: { reason, fault } }: Failed): void {
    const job = take(life, id)
    if (reason === 'pin') return job?.refuse(this.#notAvailable(fault))
    if (reason === 'key') return job?.refuse(new SigningError('SIGNER_FAILED', 'the key could not sign', { ...this.#facts, fault }))
    if (job !== undefined) this.#putBack(job)
    this.#options.log.warn({ ...this.#facts, fault }, 'token was lost')
    kill(life)
  }

  #onEnd(life: Life, reason: string): void {
    clearTimeout(life.overdue)
    // Backwards, each to the front: so they keep their order.
    for (const id of [...life.jobs.keys()].toReversed()) this.#putBack(take(life, id) as Job)
    this.#life = undefined
    this.#first.reject(new KeyFaults([`the process that uses ${this.#options.opening.module} ended (${reason})`]))
    if (this.#closed) return this.#line.clear(shuttingDown())
    if (this.#refusal !== undefined) this.#line.clear(this.#notAvailable(this.#refusal))
    if (!life.signed) this.#failures += 1
    this.#options.log.warn({ ...this.#facts, reason, failures: this.#failures }, 'pkcs11 process ended')
    this.#restart = setTimeout(() => this.#start(), restartMs(this.#failures))
  }

  #putBack(job: Job): void {
    if (job.tries < TRIES_MAX) this.#line.rejoin(job)
    else job.refuse(new SigningError('SIGNER_FAILED', 'the key could not sign', { ...this.#facts, fault: `${job.tries} processes ended while they signed this` }))
  }

  #notAvailable(fault: string): SigningError {
    return new SigningError('SIGNER_NOT_AVAILABLE', 'the token that holds the key cannot be used at the moment', { ...this.#facts, fault })
  }

  #tooSlow(): SigningError {
    return new SigningError('SIGNER_TIMEOUT', 'the token that holds the key took too long', { ...this.#facts, timeoutMs: this.#options.timeoutMs })
  }
}

/** Takes a job out of a process's hands; undefined when it was taken before, for its time was over. */
function take(life: Life, id: number): Job | undefined {
  const job = life.jobs.get(id)
  life.jobs.delete(id)
  clearTimeout(job?.timer)
  return job
}

/** Ends a process; nothing more is given to it meanwhile. */
function kill(life: Life): void {
  life.opened = false
  life.process.kill()
}

function shuttingDown(): SigningError {
  return new SigningError('SHUTTING_DOWN', 'the server is shutting down')
}
