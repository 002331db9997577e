import { encodeDigestInfo } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import { KeyFaults } from './key-faults.ts'
import { TokenLife } from './pkcs11-life.ts'
import type { LifeEvents, TokenNews } from './pkcs11-life.ts'
import { createLine } from './pkcs11-line.ts'
import type { Job, Line } from './pkcs11-line.ts'
import type { TokenAnswer, TokenFailure, TokenOpening } from './pkcs11-protocol.ts'

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

/** How many processes may end with the same signature in their hands. */
const TRIES_MAX = 5

/** The wait before a process is started again: none when the last one signed, then more with each that did not. */
const restartMs = (failures: number): number => (failures === 0 ? 0 : Math.min(100 * 2 ** (failures - 1), 10_000))

/** Returns a token whose process is not started yet. */
export function keepToken(options: TokenOptions): KeptToken {
  return new Keeper(options)
}

class Keeper implements KeptToken {
  readonly #options: TokenOptions
  readonly #facts: Readonly<Record<string, unknown>>
  readonly #line: Line
  readonly #first = Promise.withResolvers<Opened>()
  #life: TokenLife | undefined
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
    const life = this.#life
    if (life?.hasRoom() === true && this.#line.length() === 0) life.give(job)
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
    await this.#life?.close()
  }

  #start(): void {
    const { opening, environment, timeoutMs, log } = this.#options
    const refusedPin = this.#refusedPin === undefined ? {} : { refusedPin: this.#refusedPin }
    const life: TokenLife = new TokenLife({ opening: { ...opening, ...refusedPin }, environment, timeoutMs }, this.#events(() => life))
    this.#life = life
    log.info({ ...this.#facts, pid: life.pid }, 'pkcs11 process started')
  }

  #events(life: () => TokenLife): LifeEvents {
    return {
      told: (news) => this.#onNews(life(), news),
      signed: () => {
        this.#failures = 0
        this.#advance(life())
      },
      failed: (job, failure) => {
        this.#onFailed(life(), job, failure)
        this.#advance(life())
      },
      late: (job) => {
        job.refuse(this.#tooSlow())
        // The library cannot be told to stop. Whatever else it was doing, another process does.
        this.#options.log.error({ ...this.#facts, timeoutMs: this.#options.timeoutMs }, 'token took too long')
        life().kill()
      },
      ended: (reason, inHand) => this.#onEnd(life(), reason, inHand),
    }
  }

  #advance(life: TokenLife): void {
    while (life.hasRoom() && this.#line.length() > 0) life.give(this.#line.next() as Job)
  }

  #onNews(life: TokenLife, news: TokenNews): void {
    switch (news.kind) {
      case 'login':
        return this.#options.log.info(this.#facts, 'logging in to token')
      case 'pinRefused':
        this.#refusedPin = news.mark
        return
      case 'opened':
        return this.#onOpened(life, news)
      case 'refused':
        return this.#onRefused(life, news.fault)
    }
  }

  #onOpened(life: TokenLife, opened: Opened): void {
    this.#refusal = undefined
    if (opened.pinFault !== undefined) this.#options.log.error({ ...this.#facts, fault: opened.pinFault }, 'token refused the PIN')
    this.#first.resolve(opened)
    this.#advance(life)
  }

  #onRefused(life: TokenLife, fault: string): void {
    this.#refusal = fault
    this.#options.log.error({ ...this.#facts, fault }, 'token cannot be used')
    this.#first.reject(new KeyFaults([fault]))
    void life.close()
  }

  #onFailed(life: TokenLife, job: Job | undefined, { reason, fault }: TokenFailure): void {
    if (reason === 'pin') return job?.refuse(this.#notAvailable(fault))
    if (reason === 'key') return job?.refuse(new SigningError('SIGNER_FAILED', 'the key could not sign', { ...this.#facts, fault }))
    if (job !== undefined) this.#putBack(job)
    this.#options.log.warn({ ...this.#facts, fault }, 'token was lost')
    life.kill()
  }

  #onEnd(life: TokenLife, reason: string, inHand: readonly Job[]): void {
    // Backwards, each to the front: so they keep their order.
    for (const job of inHand.toReversed()) this.#putBack(job)
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

function shuttingDown(): SigningError {
  return new SigningError('SHUTTING_DOWN', 'the server is shutting down')
}
