import { SigningError } from '../errors.ts'

/** One signature that is wanted of a token. `key` is its index there; `tries` counts the processes that it was given to. */
export type Job = Readonly<{ key: number; digestInfoBase64: string }> & { tries: number; settle: (signature: Buffer) => void; refuse: (error: SigningError) => void; timer?: NodeJS.Timeout }

/** The waiting line in front of a token: bounded in length and in time. */
export type Line = Readonly<{
  /**
   * Puts a job at the end.
   * @throws SigningError `SIGNER_BUSY` when the line is full
   */
  join(job: Job): void
  /** Puts a job that was begun and not finished back to the front; there is always room for it. */
  rejoin(job: Job): void
  next(): Job | undefined
  length(): number
  /** Refuses everybody in the line. */
  clear(error: SigningError): void
}>

/** Returns an empty line for at most `waiting` jobs, of which each waits `timeoutMs` at most; then it is refused with `late()`. */
export function createLine({ waiting, timeoutMs, late }: Readonly<{ waiting: number; timeoutMs: number; late: () => SigningError }>): Line {
  const jobs: Job[] = []
  const watch = (job: Job): void => {
    job.timer = setTimeout(() => {
      jobs.splice(jobs.indexOf(job), 1)
      job.refuse(late())
    }, timeoutMs)
  }
  return {
    join(job) {
      if (jobs.length >= waiting) throw new SigningError('SIGNER_BUSY', 'too many signatures wait for the token', { waiting: jobs.length })
      jobs.push(job)
      watch(job)
    },
    rejoin(job) {
      jobs.unshift(job)
      watch(job)
    },
    next() {
      const job = jobs.shift()
      clearTimeout(job?.timer)
      return job
    },
    length: () => jobs.length,
    clear(error) {
      for (const job of jobs.splice(0)) {
        clearTimeout(job.timer)
        job.refuse(error)
      }
    },
  }
}
