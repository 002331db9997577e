import { randomBytes } from 'node:crypto'
import type { Request } from './wire-client.ts'

/**
 * Where the requests of a load come from. `sign-paths` goes round the paths; `sign-digests` and `sign-batches` never name a digest twice,
 * so that nothing is answered from the catalogue; `get` asks the same again.
 */
export type RequestSource = Readonly<
  | { kind: 'sign-paths'; paths: readonly string[]; members: Readonly<Record<string, unknown>> }
  | { kind: 'sign-digests' }
  | { kind: 'sign-batches'; items: number }
  | { kind: 'get'; path: string }
>

/** Returns a function that makes the next request of a source. */
export function requestsOf(source: RequestSource): () => Request {
  switch (source.kind) {
    case 'sign-paths':
      return nextPath(source)
    case 'sign-digests': {
      const next = nextItem()
      return () => post(next())
    }
    case 'sign-batches': {
      const next = nextItem()
      return () => post({ items: Array.from({ length: source.items }, next) })
    }
    case 'get':
      return () => ({ method: 'GET', path: source.path })
  }
}

function nextPath({ paths, members }: Extract<RequestSource, { kind: 'sign-paths' }>): () => Request {
  let index = 0
  return () => {
    const path = paths[index % paths.length]
    index += 1
    return post({ path, ...members })
  }
}

function nextItem(): () => object {
  const run = randomBytes(28).toString('hex')
  let index = 0
  return () => {
    index += 1
    return { digest: { sha256: `${run}${index.toString(16).padStart(8, '0')}` }, sizeBytes: 102_400, filename: `Pkg${index}.tar.Z` }
  }
}

function post(body: object): Request {
  return { method: 'POST', path: '/sign', body: JSON.stringify(body) }
}
