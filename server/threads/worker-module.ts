import { extname } from 'node:path'

/** The file that a worker thread runs, `server/worker-thread`: TypeScript in a checkout, JavaScript where it was built. */
export const WORKER_MODULE = new URL(`../worker-thread${extname(import.meta.url)}`, import.meta.url)
