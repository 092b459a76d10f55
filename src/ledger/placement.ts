/** Placement is the ledger's layout; the core needs it to find what it holds of a partition. */
export { murmur3, placementOf, type Placement } from '../core/placement.ts';
