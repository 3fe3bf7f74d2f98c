import { describe, expect, test } from 'vitest';
import { tasksOf, tsswarm, tsswarmInspect } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { Load } from './load.js';
