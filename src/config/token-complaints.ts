/** What is wrong with the file of tokens, as complaints about the option that names it. */
import type { TokenComplaint } from '../access/token-list.ts';
import type { Complaint } from './complaint.ts';

export function tokenComplaints(path: string, complaints: readonly TokenComplaint[]): Complaint[] {
  return complaints.map(({ path: place, message }) => ({
    path: 'tokensFile',
    message: place === '' ? `"${path}" ${message}` : `"${path}": ${place} ${message}`,
    allowed: 'the path of a file of tokens, as SECURITY.md shows it',
  }));
}
