import type { Migration } from 'kysely/migration'
import { signatures } from './0001-signatures.ts'
import { sources } from './0002-sources.ts'
import { log } from './0003-log.ts'

/**
 * Every step of the schema by name, in the order of the names. A step that was released never changes; a change is a new step. Since 0003 the
 * rows are sealed, those of the steps too: who adds a step adds to {@link foundLog} an audit before it and a new seal after it.
 */
export const MIGRATIONS: Readonly<Record<string, Migration>> = { '0001-signatures': signatures, '0002-sources': sources, '0003-log': log }
