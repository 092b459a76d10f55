/** What must hold between the options of admission. */
import type { Complaint } from './complaint.ts';
import type { ParsedFile, Sound } from './schema.ts';

/** Lower option, higher option: the first must be less than the second. */
const RISING = [
  ['elevatedFill', 'highFill'],
  ['highFill', 'criticalFill'],
  ['memoryHighFill', 'memoryCriticalFill'],
  // A level that needs a fill below nothing to be left is never left.
  ['hysteresis', 'elevatedFill'],
  ['hysteresis', 'memoryHighFill'],
] as const;

export function admissionContradictions(file: ParsedFile, sound: Sound): Complaint[] {
  const { admission } = file;
  const complaints: Complaint[] = [];
  const told = new Set<string>();
  for (const [lower, higher] of RISING) {
    if (admission[lower] < admission[higher] || told.has(lower)) continue;
    if (!sound('admission', lower) || !sound('admission', higher)) continue;
    const allowed = `less than admission.${higher}, which is ${admission[higher]}`;
    const message = `must be ${allowed}, got ${admission[lower]}`;
    complaints.push({ path: `admission.${lower}`, message, allowed });
    told.add(lower);
  }
  return [...complaints, ...quotaContradictions(file, sound)];
}

function quotaContradictions({ namespaces, callerQuota }: ParsedFile, sound: Sound): Complaint[] {
  const complaints: Complaint[] = [];
  const useless = (path: readonly string[], rates: readonly string[]) => {
    if (!rates.every((rate) => sound(...path, rate))) return;
    const message = `is of no use without ${rates.join(' or ')}`;
    const allowed = `not set, or with ${rates.join(' or ')}`;
    complaints.push({ path: [...path, 'burst'].join('.'), message, allowed });
  };
  for (const [name, { quota }] of Object.entries(namespaces)) {
    const limited = quota.grantsPerS !== undefined || quota.putsPerS !== undefined;
    if (quota.burst === undefined || limited) continue;
    useless(['namespaces', name, 'quota'], ['grantsPerS', 'putsPerS']);
  }
  if (callerQuota.burst !== undefined && callerQuota.requestsPerS === undefined) {
    useless(['callerQuota'], ['requestsPerS']);
  }
  return complaints;
}
