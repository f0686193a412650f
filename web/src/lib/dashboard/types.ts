/** Dashboards as `GET /v1/dashboards` describes them. */
import type { components } from '../live/api.ts';

export type Dashboard = components['schemas']['Dashboards']['dashboards'][number];
export type Row = Dashboard['rows'][number];
export type Panel = Row['panels'][number];
export type Variable = Dashboard['variables'][number];
/** What each variable holds, by name; an empty text is «all», or that nothing is chosen. */
export type Chosen = Readonly<Record<string, string>>;
