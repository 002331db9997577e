/** What a signal comes to, and how one is sent: the process itself but in a test. */
export type Signalled = Pick<NodeJS.EventEmitter, 'once' | 'off'> & Readonly<{ pid: number; kill: (pid: number, signal: NodeJS.Signals) => unknown }>

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/**
 * Returns what runs `close` once: when it is disposed of, or before a signal ends this process, for a server that was started would go on
 * without it, and gigabytes of packages stay. A second signal ends it at once.
 */
export function closeAtSignal(close: () => Promise<void>, self: Signalled = process): AsyncDisposable {
  let closed: Promise<void> | undefined
  const closeOnce = async (): Promise<void> => {
    for (const signal of SIGNALS) self.off(signal, end)
    await (closed ??= close())
  }
  const end = (signal: NodeJS.Signals): void => void closeOnce().finally(() => self.kill(self.pid, signal))
  for (const signal of SIGNALS) self.once(signal, end)
  return { [Symbol.asyncDispose]: closeOnce }
}
