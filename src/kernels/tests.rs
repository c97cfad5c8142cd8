//! Tests that span several kernels.

use super::*;
use crate::model::Network;
use crate::recorder::{Options, record};

/// 0.96 million operations per image forward; backward 0.288 for conv1's weights and 0.64 for each gradient of conv2.
#[test]
fn the_tutorials_network_costs_what_is_worked_out_by_hand() {
    let net = Network::tutorial([1, 28, 28], 10).unwrap();
    for class in [DeviceClass::Software, DeviceClass::Discrete] {
        let plan = record(&net, &Options::new(64, 1000, 1000, Tiles::of(class))).unwrap();
        let of = |label: &str| {
            let mut sum = Cost::default();
            plan.steps().iter().filter(|s| s.label == label).for_each(|s| sum += s.kernel.cost());
            (sum.flops / 64, sum.sparse_flops / 64)
        };
        assert_eq!(of("conv1 forward"), (288_000, 288_000));
        assert_eq!(of("conv2 forward"), (640_000, 640_000));
        assert_eq!(of("conv1 backward weight"), (288_000, 72_000));
        assert_eq!(of("conv2 backward weight"), (640_000, 160_000));
        assert_eq!(of("conv2 backward input"), (640_000, 160_000));
        assert_eq!(of("fc1 forward"), (32_000, 32_000));
        match class {
            DeviceClass::Software => assert_eq!((of("fc2 backward input"), of("loss forward")), ((1000, 1000), (0, 0))),
            DeviceClass::Integrated | DeviceClass::Discrete => assert_eq!(of("fc2 and loss"), (3000, 3000)),
        }
        let load = plan.steps()[0].kernel.cost();
        // Per image: bytes in, floats out and one entry of the order. Per batch: cursor and table.
        assert_eq!(load.bytes, 64 * (784 + 784 * 4 + 4) + 4 * (3 + 256));
    }
}

/// Both gradients of a convolution that is fused with pooling have tiles that fit in workgroup memory.
#[test]
fn every_fused_convolution_fits_in_workgroup_memory() {
    let mut fused = 0;
    for tiles in Tiles::ALL {
        for (k, pool, stride) in
            (1..=32).flat_map(|k| (1..=16).flat_map(move |pool| (1..=k).map(move |s| (k, pool, s))))
        {
            if tiles.fuses([k, stride, 0], pool) {
                let side = ((pool - 1) * stride + k) as u32;
                let (activation, activation_in) = (RELU, RELU);
                let (k, pool, stride) = (k as u32, pool as u32, stride as u32);
                let conv = ConvShape {
                    batch: 1,
                    c_in: 1,
                    h_in: side,
                    w_in: side,
                    c_out: 1,
                    k,
                    stride,
                    padding: 0,
                    activation,
                    activation_in,
                };
                let shape = ConvPoolShape { conv, pool };
                assert!(ConvPoolBackwardWeight(shape, 1, tiles).iterations() > 0);
                assert!(ConvPoolBackwardInput(shape, tiles).iterations() > 0);
                fused += 1;
            }
        }
    }
    assert!(fused > 500, "{fused}");
}
