import { describeBalancer } from '../kernel/balancer-behaviour.js';

describeBalancer('ipvs', 480);
