import { encodeDigestInfo } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import { KeyFaults } from './key-faults.ts'
import { startTokenProcess } from './pkcs11-child.ts'
import type { TokenProcess } from './pkcs11-child.ts'
import { createLine } from './pkcs11-line.ts'
import type { Job } from './pkcs11-line.ts'
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

/** A token in a process of its own, which is replaced when it ends. */
export type KeptToken = Readonly<{
  /**
   * Starts the first process; resolves with the keys as they were found.
   * @throws KeyFaults when the token cannot be opened; the reason is one sentence
   */
  open(): Promise<Opened>
  /**
   * Resolves with the RSASSA-PKCS1-v1_5 signature over a SHA-256 digest with the key of this index. A process that ends meanwhile loses
   * nothing: its successor signs.
   * @throws SigningError `SIGNER_BUSY` when the line is full, `SIGNER_TIMEOUT`, `SIGNER_NOT_AVAILABLE` while the token cannot be used,
   * `SIGNER_FAILED` when it does not sign, `SHUTTING_DOWN` once closed
   */
  sign(key: number, sha256: Uint8Array): Promise<Buffer>
  waiting(): number
  close(): Promise<void>
}>

/** A process that does not open the token by then is killed. */
const OPENING_MS = 30_000

/** How many processes may end with the same signature in their hands. */
const TRIES_MAX = 5

/** The wait before a process is started again: none when the last one signed, then more with each that did not. */
const restartMs = (failures: number): number => (failures === 0 ? 0 : Math.min(100 * 2 ** (failures - 1), 10_000))

type Life = { process: TokenProcess; readonly jobs: Map<number, Job>; opened: boolean; signed: boolean; overdue?: NodeJS.Timeout }

/** Returns a token whose process is not started yet. */
export function keepToken({ opening, environment, timeoutMs, waiting, log }: TokenOptions): KeptToken {
  const first = Promise.withResolvers<Opened>()
  const facts = { module: opening.module, token: opening.token }
  let life: Life | undefined
  let lastId = 0
  let failures = 0
  let refusal: string | undefined
  let refusedPin: string | undefined
  let closed = false
  let restart: NodeJS.Timeout | undefined

  const notAvailable = (fault: string | undefined): SigningError => new SigningError('SIGNER_NOT_AVAILABLE', 'the token that holds the key cannot be used at the moment', { ...facts, fault })
  const tooSlow = (): SigningError => new SigningError('SIGNER_TIMEOUT', 'the token that holds the key took too long', { ...facts, timeoutMs })
  const line = createLine({ waiting, timeoutMs, late: () => (life?.opened === true ? tooSlow() : notAvailable('its process does not stay up')) })

  const start = (): void => {
    const mine: Life = { process: startTokenProcess({ environment, sessions: opening.sessions }, { answered: (answer) => onAnswer(mine, answer), ended: (reason) => onEnd(mine, reason) }), jobs: new Map(), opened: false, signed: false }
    life = mine
    mine.overdue = setTimeout(mine.process.kill, OPENING_MS)
    log.info({ ...facts, pid: mine.process.pid }, 'pkcs11 process started')
    mine.process.send({ kind: 'open', opening: { ...opening, ...(refusedPin === undefined ? {} : { refusedPin }) } })
  }
  const hasRoom = (): boolean => life?.opened === true && life.jobs.size < opening.sessions
  const advance = (): void => {
    while (hasRoom() && line.length() > 0) give(life as Life, line.next() as Job)
  }
  const give = (to: Life, job: Job): void => {
    lastId += 1
    const id = lastId
    to.jobs.set(id, job)
    job.tries += 1
    job.timer = setTimeout(() => {
      to.jobs.delete(id)
      job.refuse(tooSlow())
      // The library cannot be told to stop. Whatever else it was doing, another process does.
      log.error({ ...facts, timeoutMs }, 'token took too long')
      to.process.kill()
    }, timeoutMs)
    to.process.send({ kind: 'sign', id, key: job.key, digestInfoBase64: job.digestInfoBase64 })
  }
  const taken = (from: Life, id: number): Job | undefined => {
    const job = from.jobs.get(id)
    from.jobs.delete(id)
    clearTimeout(job?.timer)
    return job
  }
  const putBack = (job: Job): void => {
    if (job.tries < TRIES_MAX) line.rejoin(job)
    else job.refuse(new SigningError('SIGNER_FAILED', 'the key could not sign', { ...facts, fault: `${job.tries} processes ended while they signed this` }))
  }

  const onAnswer = (from: Life, answer: TokenAnswer): void => {
    switch (answer.kind) {
      case 'login':
        return log.info(facts, 'logging in to token')
      case 'pinRefused':
        refusedPin = answer.mark
        return
      case 'opened':
        return onOpened(from, answer)
      case 'refused':
        refusal = answer.fault
        log.error({ ...facts, fault: answer.fault }, 'token cannot be used')
        first.reject(new KeyFaults([answer.fault]))
        return void from.process.close()
      case 'signed':
        from.signed = true
        failures = 0
        taken(from, answer.id)?.settle(Buffer.from(answer.signatureBase64, 'base64'))
        return advance()
      case 'failed':
        onFailure(from, answer)
        return advance()
    }
  }
  const onOpened = (from: Life, answer: Opened): void => {
    clearTimeout(from.overdue)
    from.opened = true
    refusal = undefined
    if (answer.pinFault !== undefined) log.error({ ...facts, fault: answer.pinFault }, 'token refused the PIN')
    first.resolve(answer)
    advance()
  }
  const onFailure = (from: Life, { id, failure }: Extract<TokenAnswer, { kind: 'failed' }>): void => {
    const job = taken(from, id)
    if (failure.reason === 'pin') return job?.refuse(notAvailable(failure.fault))
    if (failure.reason === 'key') return job?.refuse(new SigningError('SIGNER_FAILED', 'the key could not sign', { ...facts, fault: failure.fault }))
    if (job !== undefined) putBack(job)
    log.warn({ ...facts, fault: failure.fault }, 'token was lost')
    from.process.kill()
  }
  const onEnd = (from: Life, reason: string): void => {
    clearTimeout(from.overdue)
    for (const [id, job] of [...from.jobs].toReversed()) {
      taken(from, id)
      putBack(job)
    }
    life = undefined
    first.reject(new KeyFaults([`the process that uses ${opening.module} ended (${reason})`]))
    if (closed) return line.clear(shuttingDown())
    if (refusal !== undefined) line.clear(notAvailable(refusal))
    if (!from.signed) failures += 1
    log.warn({ ...facts, reason, failures }, 'pkcs11 process ended')
    restart = setTimeout(start, restartMs(failures))
  }

  return {
    async open() {
      start()
      return await first.promise
    },
    async sign(key, sha256) {
      if (closed) throw shuttingDown()
      if (refusal !== undefined) throw notAvailable(refusal)
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
      const job: Job = { key, digestInfoBase64: encodeDigestInfo(sha256).toString('base64'), tries: 0, settle: resolve, refuse: reject }
      if (hasRoom() && line.length() === 0) give(life as Life, job)
      else line.join(job)
      return await promise
    },
    waiting: () => line.length(),
    async close() {
      closed = true
      clearTimeout(restart)
      line.clear(shuttingDown())
      await life?.process.close()
    },
  }
}

function shuttingDown(): SigningError {
  return new SigningError('SHUTTING_DOWN', 'the server is shutting down')
}
