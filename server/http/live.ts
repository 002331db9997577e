import type { FastifyRequest } from 'fastify'
import type { Keyring } from '../keys/key.ts'
import type { ExportDeps } from '../operations/export-signature.ts'
import type { Inspector } from '../packages/inspect.ts'
import type { Policy } from '../policy/decide.ts'
import type { Root } from '../roots/resolve.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What this request works with from its first hook to its end, whatever is reloaded meanwhile. */
    live: Live | undefined
  }
}

/** What a reload of the configuration renews as a whole: who may do what, with which keys, roots and formats. */
export type Live = Readonly<{ policy: Policy; keyring: Keyring; roots: readonly Root[]; inspector: Inspector; dsb: ExportDeps['dsb'] }>

/** What is live now. Whoever works with it for a while takes it, and releases it in the end. */
export interface Lives {
  current(): Live
  take(): Live
  release(live: Live): void
  /** From now on `next` is live; resolves when nobody works with what was live before. */
  replace(next: Live): Promise<void>
}

type Use = { readonly live: Live; takers: number; readonly unused: PromiseWithResolvers<void> }

/** Returns what is live, beginning with `first`. */
export function createLives(first: Live): Lives {
  const useOf = (live: Live): Use => ({ live, takers: 0, unused: Promise.withResolvers() })
  const uses = new Map<Live, Use>()
  let now = useOf(first)
  const settle = (use: Use): void => {
    if (use === now || use.takers > 0) return
    uses.delete(use.live)
    use.unused.resolve()
  }
  return {
    current: () => now.live,
    take: () => {
      now.takers += 1
      uses.set(now.live, now)
      return now.live
    },
    release: (live) => {
      const use = uses.get(live)
      if (use === undefined) return
      use.takers -= 1
      settle(use)
    },
    replace: async (next) => {
      const before = now
      now = useOf(next)
      settle(before)
      await before.unused.promise
    },
  }
}

/** What a function stands on beside {@link Live}. */
export type Beside<D> = Omit<D, keyof Live>

/** Returns what an operation stands on in this request. */
export function withLive<D extends object>(deps: D, request: FastifyRequest): D & Live {
  return { ...deps, ...liveOf(request) }
}

/** Returns what was live when this request began. */
export function liveOf({ live }: FastifyRequest): Live {
  if (live === undefined) throw new TypeError('a request runs that nothing was taken for')
  return live
}
